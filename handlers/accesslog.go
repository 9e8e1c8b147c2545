package handlers

import (
	"io"
	"net"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/apikey"
	"rest-sessions/internal/logging"
	"rest-sessions/internal/pseudonym"
)

// LogFormats names the formats of AccessLog: those of morgan, which the original
// uses, and one JSON object a line.
func LogFormats() []string {
	names := make([]string, 0, len(logFormats))
	for name := range logFormats {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// AccessLog writes a line a request, to a Writer that drops lines rather than make a
// request wait for the reader of the log.
type AccessLog struct {
	format func([]byte, *logEntry) []byte
	notes  bool   // the format shows what the endpoints note
	hide   *hider // nil if ids and addresses are shown
	out    *logging.Writer
	now    func() time.Time
}

// NewAccessLog starts a log in one of LogFormats; end it with Close. Without colours
// the format dev has none, as what is no terminal wants it. It shows the pseudonyms that
// ids makes in the place of ids and addresses, unless ids is nil.
func NewAccessLog(format string, out io.Writer, colours bool, ids *pseudonym.Maker) *AccessLog {
	l := &AccessLog{format: logFormats[format], notes: format == "json", hide: newHider(ids), now: time.Now}
	if format == "dev" && !colours {
		l.format = appendPlainDev
	}
	l.out = logging.NewWriter(out, l.appendDropped)
	return l
}

// Close writes what is left, for a second at most, and ends the log. Requests that a
// shutdown did not wait for may go on; they leave no line.
func (l *AccessLog) Close() { l.out.Close() }

// Dropped is how many lines were dropped so far.
func (l *AccessLog) Dropped() uint64 { return l.out.Dropped() }

// appendDropped appends the note of dropped lines. It has the form of every other
// line, so that what reads them can read it: a request "LOG /dropped?lines=5" with the
// status 000, which nginx too writes where there was no answer.
func (l *AccessLog) appendDropped(b []byte, n int) []byte {
	var ctx fasthttp.RequestCtx
	ctx.SetRemoteAddr(&net.UnixAddr{})
	ctx.Request.Header.SetMethod("LOG")
	ctx.Request.SetRequestURI("/dropped?lines=" + strconv.Itoa(n))
	return append(l.format(b, &logEntry{ctx: &ctx, time: l.now()}), '\n')
}

// Handler logs what next answers. Like the original, it leaves out /ping, and the
// health routes with it.
func (l *AccessLog) Handler(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		start := l.now()
		e := logEntries.Get().(*logEntry)
		defer e.release()
		e.ctx, e.hide = ctx, l.hide
		if l.notes {
			ctx.SetUserValue(entryKey{}, e)
		}
		next(ctx)
		switch string(ctx.Path()) {
		case "/ping", "/livez", "/readyz", "/healthz":
			return
		}
		e.status, e.time = ctx.Response.StatusCode(), l.now()
		e.took = e.time.Sub(start)
		l.out.Append(func(b []byte) []byte { return append(l.format(b, e), '\n') })
	}
}

// IsLogFormat reports whether name is one of LogFormats.
func IsLogFormat(name string) bool {
	_, ok := logFormats[name]
	return ok
}

// logEntry is a request that has been answered.
type logEntry struct {
	ctx    *fasthttp.RequestCtx
	status int // 0 for the note of dropped lines
	time   time.Time
	took   time.Duration

	// What the endpoints note, for formats that show it.
	route string      // as in the metrics
	key   *apikey.Key // the API key that the request has, nil for none
	err   *apiError   // the answer, if it is an error

	hide *hider // nil if ids and addresses are shown
	// scratch is space for a value on its way into the line.
	scratch []byte
}

// logEntries keeps entries and their scratch space for the next requests.
var logEntries = sync.Pool{New: func() any { return new(logEntry) }}

// release gives an entry back. A list may be streamed after that, so the request must
// not lead to it any more.
func (e *logEntry) release() {
	if e.ctx.UserValue(entryKey{}) != nil {
		e.ctx.RemoveUserValue(entryKey{})
	}
	*e = logEntry{scratch: e.scratch[:0]}
	logEntries.Put(e)
}

// entryKey is the key of the user value that is a request's logEntry.
type entryKey struct{}

// noted returns the entry in which an endpoint notes what it knows of a request, nil
// if the log does not show it.
func noted(ctx *fasthttp.RequestCtx) *logEntry {
	e, _ := ctx.UserValue(entryKey{}).(*logEntry)
	return e
}

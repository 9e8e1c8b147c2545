package handlers

import (
	"io"
	"net"
	"sort"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/logging"
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
	out    *logging.Writer
	now    func() time.Time
}

// NewAccessLog starts a log in one of LogFormats; end it with Close. Without colours
// the format dev has none, as what is no terminal wants it.
func NewAccessLog(format string, out io.Writer, colours bool) *AccessLog {
	l := &AccessLog{format: logFormats[format], now: time.Now}
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
		next(ctx)
		switch string(ctx.Path()) {
		case "/ping", "/livez", "/readyz", "/healthz":
			return
		}
		now := l.now()
		e := &logEntry{ctx: ctx, status: ctx.Response.StatusCode(), time: now, took: now.Sub(start)}
		l.out.Append(func(b []byte) []byte { return append(l.format(b, e), '\n') })
	}
}

// logEntry is a request that has been answered.
type logEntry struct {
	ctx    *fasthttp.RequestCtx
	status int // 0 for the note of dropped lines
	time   time.Time
	took   time.Duration
}

var logFormats = map[string]func(b []byte, e *logEntry) []byte{
	"combined": func(b []byte, e *logEntry) []byte {
		b = appendCommon(b, e)
		b = append(b, ` "`...)
		b = e.appendHeader(b, fasthttp.HeaderReferer)
		b = append(b, `" "`...)
		b = e.appendHeader(b, fasthttp.HeaderUserAgent)
		return append(b, '"')
	},
	"common": appendCommon,
	"dev": func(b []byte, e *logEntry) []byte {
		b = append(b, "\x1b[0m"...)
		b = e.appendMethodURL(b)
		b = append(b, " \x1b["...)
		b = strconv.AppendInt(b, statusColour(e.status), 10)
		b = append(b, 'm')
		b = e.appendStatus(b)
		b = append(b, "\x1b[0m"...)
		b = e.appendDevEnd(b)
		return append(b, "\x1b[0m"...)
	},
	"short": func(b []byte, e *logEntry) []byte {
		b = e.appendRemote(b)
		b = append(b, " - "...)
		b = e.appendRequest(b)
		return e.appendOutcome(b)
	},
	"tiny": func(b []byte, e *logEntry) []byte {
		b = e.appendMethodURL(b)
		return e.appendOutcome(b)
	},
	"json": func(b []byte, e *logEntry) []byte {
		b = append(b, `{"time":"`...)
		b = e.time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
		b = append(b, `","remote":"`...)
		b = e.appendRemote(b)
		b = append(b, `","method":`...)
		b = appendLogString(b, appendCut(nil, e.ctx.Method()))
		b = append(b, `,"url":`...)
		b = appendLogString(b, appendCut(nil, e.ctx.RequestURI()))
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(e.status), 10)
		b = append(b, `,"bytes":`...)
		b = strconv.AppendInt(b, int64(max(0, e.length())), 10)
		b = append(b, `,"ms":`...)
		b = e.appendTook(b)
		b = append(b, `,"referrer":`...)
		b = appendLogString(b, appendCut(nil, e.ctx.Referer()))
		b = append(b, `,"user_agent":`...)
		b = appendLogString(b, appendCut(nil, e.ctx.UserAgent()))
		return append(b, '}')
	},
}

// appendPlainDev is dev without colours.
func appendPlainDev(b []byte, e *logEntry) []byte {
	b = e.appendMethodURL(b)
	b = append(b, ' ')
	b = e.appendStatus(b)
	return e.appendDevEnd(b)
}

func appendCommon(b []byte, e *logEntry) []byte {
	b = e.appendRemote(b)
	b = append(b, " - - ["...)
	b = e.time.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = e.appendRequest(b)
	b = append(b, `" `...)
	b = e.appendStatus(b)
	b = append(b, ' ')
	return e.appendLength(b)
}

// statusColour is morgan's: red for the server's errors, yellow for the client's,
// cyan for redirects, green for success.
func statusColour(status int) int64 {
	switch {
	case status >= 500:
		return 31
	case status >= 400:
		return 33
	case status >= 300:
		return 36
	default:
		return 32
	}
}

// appendRemote appends the client's address, - for one on a Unix socket, which has
// none.
func (e *logEntry) appendRemote(b []byte) []byte {
	if _, socket := e.ctx.RemoteAddr().(*net.UnixAddr); socket {
		return append(b, '-')
	}
	return append(b, e.ctx.RemoteIP().String()...)
}

func (e *logEntry) appendRequest(b []byte) []byte {
	b = e.appendMethodURL(b)
	b = append(b, ' ')
	return append(b, e.ctx.Request.Header.Protocol()...)
}

func (e *logEntry) appendMethodURL(b []byte) []byte {
	b = logging.AppendText(b, appendCut(nil, e.ctx.Method()))
	b = append(b, ' ')
	return logging.AppendText(b, appendCut(nil, e.ctx.RequestURI()))
}

// appendOutcome appends what short and tiny end with: status, length and time.
func (e *logEntry) appendOutcome(b []byte) []byte {
	b = append(b, ' ')
	b = e.appendStatus(b)
	b = append(b, ' ')
	b = e.appendLength(b)
	b = append(b, " - "...)
	b = e.appendTook(b)
	return append(b, " ms"...)
}

// appendDevEnd appends what dev ends with: time and length.
func (e *logEntry) appendDevEnd(b []byte) []byte {
	b = append(b, ' ')
	b = e.appendTook(b)
	b = append(b, " ms - "...)
	return e.appendLength(b)
}

func (e *logEntry) appendHeader(b []byte, name string) []byte {
	value := e.ctx.Request.Header.Peek(name)
	if len(value) == 0 {
		return append(b, '-')
	}
	return logging.AppendText(b, appendCut(nil, value))
}

func (e *logEntry) appendStatus(b []byte) []byte {
	if e.status == 0 {
		return append(b, "000"...)
	}
	return strconv.AppendInt(b, int64(e.status), 10)
}

// length is the length of the answer's body in bytes, -1 for one that is streamed.
func (e *logEntry) length() int {
	if e.ctx.Response.IsBodyStream() {
		return -1
	}
	return len(e.ctx.Response.Body())
}

func (e *logEntry) appendLength(b []byte) []byte {
	if n := e.length(); n >= 0 {
		return strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, '-')
}

// appendTook appends the milliseconds to the answer, with three decimals.
func (e *logEntry) appendTook(b []byte) []byte {
	return strconv.AppendFloat(b, float64(e.took.Microseconds())/1000, 'f', 3, 64)
}

// appendLogString appends text as a JSON string in which what cannot be printed is
// escaped, outside ASCII too.
func appendLogString(b, text []byte) []byte {
	return logging.AppendJSON(b, appendString(nil, string(text)))
}

// IsLogFormat reports whether name is one of LogFormats.
func IsLogFormat(name string) bool {
	_, ok := logFormats[name]
	return ok
}

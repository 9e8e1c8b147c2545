package handlers

import (
	"io"
	"net"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
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

// AccessLog writes a line a request. Lines go through a bounded buffer: while out
// takes none, requests are served and their lines dropped and counted, since no
// page view should wait for a log.
type AccessLog struct {
	format func([]byte, *logEntry) []byte
	now    func() time.Time

	mu      sync.Mutex
	lines   []byte // complete lines for the writer
	dropped int    // lines that found no room
	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
}

const (
	// maxLogBuffer bounds the lines that wait for the writer, in bytes.
	maxLogBuffer = 1 << 20
	// logInterval is the pause after each write: under load it makes one write of
	// hundreds of lines.
	logInterval = 10 * time.Millisecond
)

// NewAccessLog starts a log in one of LogFormats; end it with Close.
func NewAccessLog(format string, out io.Writer) *AccessLog {
	l := &AccessLog{
		format:  logFormats[format],
		now:     time.Now,
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go l.write(out)
	return l
}

// Close writes what is left and ends the log. Requests that a shutdown did not
// wait for may go on; they leave no line.
func (l *AccessLog) Close() {
	close(l.closing)
	<-l.done
}

// write hands lines to out until Close.
func (l *AccessLog) write(out io.Writer) {
	defer close(l.done)
	var spare []byte
	for open := true; open; {
		select {
		case <-l.wake:
		case <-l.closing:
			open = false
		}
		l.mu.Lock()
		lines, dropped := l.lines, l.dropped
		l.lines, l.dropped = spare[:0], 0
		l.mu.Unlock()
		if dropped > 0 {
			lines = append(lines, "access log: "+strconv.Itoa(dropped)+" lines dropped\n"...)
		}
		if len(lines) > 0 {
			out.Write(lines) // there is nowhere to report that the log cannot be written
		}
		spare = lines
		if open {
			time.Sleep(logInterval)
		}
	}
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
		l.add(&logEntry{ctx: ctx, time: now, took: now.Sub(start)})
	}
}

func (l *AccessLog) add(e *logEntry) {
	l.mu.Lock()
	if len(l.lines) > maxLogBuffer {
		l.dropped++
	} else {
		l.lines = append(l.format(l.lines, e), '\n')
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// logEntry is a request that has been answered.
type logEntry struct {
	ctx  *fasthttp.RequestCtx
	time time.Time
	took time.Duration
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
		b = strconv.AppendInt(b, statusColour(e.ctx.Response.StatusCode()), 10)
		b = append(b, 'm')
		b = e.appendStatus(b)
		b = append(b, "\x1b[0m "...)
		b = e.appendTook(b)
		b = append(b, " ms - "...)
		b = e.appendLength(b)
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
		b = appendString(b, string(appendCut(nil, e.ctx.Method())))
		b = append(b, `,"url":`...)
		b = appendString(b, string(appendCut(nil, e.ctx.RequestURI())))
		b = append(b, `,"status":`...)
		b = e.appendStatus(b)
		b = append(b, `,"bytes":`...)
		b = strconv.AppendInt(b, int64(max(0, e.length())), 10)
		b = append(b, `,"ms":`...)
		b = e.appendTook(b)
		b = append(b, `,"referrer":`...)
		b = appendString(b, string(appendCut(nil, e.ctx.Referer())))
		b = append(b, `,"user_agent":`...)
		b = appendString(b, string(appendCut(nil, e.ctx.UserAgent())))
		return append(b, '}')
	},
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
	b = appendPrintable(b, appendCut(nil, e.ctx.Method()))
	b = append(b, ' ')
	return appendPrintable(b, appendCut(nil, e.ctx.RequestURI()))
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

func (e *logEntry) appendHeader(b []byte, name string) []byte {
	value := e.ctx.Request.Header.Peek(name)
	if len(value) == 0 {
		return append(b, '-')
	}
	return appendPrintable(b, appendCut(nil, value))
}

func (e *logEntry) appendStatus(b []byte) []byte {
	return strconv.AppendInt(b, int64(e.ctx.Response.StatusCode()), 10)
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

// appendPrintable appends text with what would end the line, the quotes around it
// or speak to the terminal as \xNN.
func appendPrintable(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// IsLogFormat reports whether name is one of LogFormats.
func IsLogFormat(name string) bool {
	_, ok := logFormats[name]
	return ok
}

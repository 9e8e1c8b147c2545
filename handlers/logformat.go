package handlers

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/logging"
)

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
		b = e.appendQuoted(b, e.method())
		b = append(b, `,"url":`...)
		b = e.appendQuoted(b, e.target())
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(e.status), 10)
		b = append(b, `,"bytes":`...)
		b = strconv.AppendInt(b, int64(max(0, e.length())), 10)
		b = append(b, `,"ms":`...)
		b = e.appendTook(b)
		b = append(b, `,"referrer":`...)
		b = e.appendQuoted(b, e.header(fasthttp.HeaderReferer))
		b = append(b, `,"user_agent":`...)
		b = e.appendQuoted(b, e.header(fasthttp.HeaderUserAgent))
		b = e.appendNotes(b)
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

func (e *logEntry) appendRequest(b []byte) []byte {
	b = e.appendMethodURL(b)
	b = append(b, ' ')
	return append(b, e.ctx.Request.Header.Protocol()...)
}

func (e *logEntry) appendMethodURL(b []byte) []byte {
	b = logging.AppendText(b, e.method())
	b = append(b, ' ')
	return logging.AppendText(b, e.target())
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

// appendHeader appends a header's value, - for none.
func (e *logEntry) appendHeader(b []byte, name string) []byte {
	value := e.header(name)
	if len(value) == 0 {
		return append(b, '-')
	}
	return logging.AppendText(b, value)
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

package handlers

import "github.com/valyala/fasthttp"

// maxRequestID is the length of the longest X-Request-Id that a log shows, in bytes.
const maxRequestID = 128

// appendNotes appends what only JSON lines have: the route, the name of the API key and
// of the error, and by what the lines of other programs about the same request are found.
// What there is not is left out.
func (e *logEntry) appendNotes(b []byte) []byte {
	b = appendNote(b, "route", e.route)
	if e.key != nil {
		b = appendNote(b, "key", e.key.Name)
	}
	if e.err != nil {
		b = appendNote(b, "error", e.err.name)
	}
	if id := e.requestID(); len(id) > 0 {
		b = append(b, `,"request_id":`...)
		b = e.appendQuoted(b, id)
	}
	if trace, span, ok := traceContext(e.ctx); ok {
		b = append(append(b, `,"trace_id":"`...), trace...)
		b = append(append(b, `","span_id":"`...), span...)
		b = append(b, '"')
	}
	return b
}

// appendNote appends a member of plain ASCII, unless it is empty.
func appendNote(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, `,"`...), name...)
	return append(append(append(b, `":"`...), value...), '"')
}

// validRequestID reports whether id is 1 to maxRequestID of visible ASCII.
func validRequestID(id []byte) bool {
	for _, c := range id {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return 0 < len(id) && len(id) <= maxRequestID
}

// traceContext returns the ids of the trace and of the caller's span in the header
// traceparent, if there is one and it is as https://www.w3.org/TR/trace-context/ has it.
// They alias the request.
func traceContext(ctx *fasthttp.RequestCtx) (trace, span []byte, ok bool) {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	h := ctx.Request.Header.Peek("Traceparent")
	if len(h) < length || h[2] != '-' || h[35] != '-' || h[52] != '-' {
		return nil, nil, false
	}
	version, trace, span, flags := h[:2], h[3:35], h[36:52], h[53:length]
	if !isLowerHex(version) || string(version) == "ff" || !isLowerHex(flags) ||
		!isLowerHex(trace) || isZeros(trace) || !isLowerHex(span) || isZeros(span) {
		return nil, nil, false
	}
	// Of a later version more may follow, behind a hyphen.
	if len(h) > length && (string(version) == "00" || h[length] != '-') {
		return nil, nil, false
	}
	return trace, span, true
}

func isLowerHex(b []byte) bool {
	return runLen(b, func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }) == len(b)
}

func isZeros(b []byte) bool { return runLen(b, func(c byte) bool { return c == '0' }) == len(b) }

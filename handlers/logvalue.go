package handlers

import (
	"net"
	"net/netip"
	"unsafe"

	"rest-sessions/internal/logging"
)

// What a line shows of a request's texts: without tokens and keys, and without ids and
// addresses if they are hidden. The values are in e.scratch, until the next one is made.

func (e *logEntry) method() []byte {
	if e.hide != nil {
		return e.keep(e.hide.appendMethod(e.scratch[:0], e.ctx.Method()))
	}
	return e.keep(redact(e.scratch[:0], e.ctx.Method()))
}

func (e *logEntry) target() []byte {
	if e.hide != nil {
		return e.keep(e.hide.appendTarget(e.scratch[:0], e.ctx.RequestURI()))
	}
	return e.keep(redact(e.scratch[:0], e.ctx.RequestURI()))
}

// header is the value of a header, empty for none.
func (e *logEntry) header(name string) []byte {
	value := e.ctx.Request.Header.Peek(name)
	if e.hide != nil {
		return e.keep(e.hide.appendHeader(e.scratch[:0], value))
	}
	return e.keep(redact(e.scratch[:0], value))
}

// requestID is X-Request-Id, empty if it is not valid.
func (e *logEntry) requestID() []byte {
	id := e.ctx.Request.Header.Peek("X-Request-Id")
	switch {
	case !validRequestID(id):
		return nil
	case e.hide != nil:
		return e.keep(e.hide.appendRequestID(e.scratch[:0], id))
	}
	return e.keep(redact(e.scratch[:0], id))
}

func (e *logEntry) keep(value []byte) []byte {
	e.scratch = value
	return value
}

// appendRemote appends the client's address, - for one on a Unix socket, which has
// none.
func (e *logEntry) appendRemote(b []byte) []byte {
	peer, ok := e.ctx.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return append(b, '-')
	}
	ip, _ := netip.AddrFromSlice(peer.IP)
	if e.hide == nil {
		return ip.Unmap().AppendTo(b)
	}
	return e.hide.Append(b, e.keep(ip.Unmap().AppendTo(e.scratch[:0])))
}

// appendQuoted appends a value as a JSON string. What cannot be printed is escaped,
// outside ASCII too.
func (e *logEntry) appendQuoted(b, value []byte) []byte {
	start := len(e.scratch) // the value may be what is there
	e.scratch = appendString(e.scratch, unsafe.String(unsafe.SliceData(value), len(value)))
	return logging.AppendJSON(b, e.scratch[start:])
}

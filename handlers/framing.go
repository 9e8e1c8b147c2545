package handlers

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// validHead reports whether a request's head is as RFC 9112 has it, in what fasthttp
// accepts and a proxy in front may read in another way: that is how a request is smuggled
// past a proxy. fasthttp refuses the rest by itself. It does not show how the request line
// ended, so that one may end in LF alone. docs/security.md lists what is answered.
func validHead(h *fasthttp.RequestHeader) bool {
	// fasthttp treats any other version as 1.0.
	if version := h.Protocol(); string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		return false
	}
	if target := h.RequestURI(); target[0] != '/' && !validTarget(h, target) {
		return false
	}
	length, coding, chunked := false, false, false
	for raw := h.RawHeaders(); len(raw) > 0; {
		end := bytes.IndexByte(raw, '\n') // a line that ends in LF alone is read in two ways, too
		if end < 1 || raw[end-1] != '\r' {
			return false
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		// A folded line begins with white space, and so has some before its colon.
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return false
		}
		switch colon {
		case len(fasthttp.HeaderContentLength):
			length = length || bytes.EqualFold(line[:colon], contentLengthName)
		case len(fasthttp.HeaderTransferEncoding):
			if bytes.EqualFold(line[:colon], transferEncodingName) {
				coding, chunked = true, bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), chunkedName)
			}
		}
	}
	// An empty body in chunks has the length 0, any other -1.
	return !coding || !length && (h.ContentLength() == -1 || chunked && h.ContentLength() == 0)
}

var (
	contentLengthName    = []byte(fasthttp.HeaderContentLength)
	transferEncodingName = []byte(fasthttp.HeaderTransferEncoding)
	chunkedName          = []byte("chunked")
)

// validTarget reports whether a target that is no path is one of the other forms.
func validTarget(h *fasthttp.RequestHeader, target []byte) bool {
	if h.IsOptions() || h.IsConnect() {
		return true
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
		return false
	}
	return len(rest) > 0 && rest[0] != '/' && rest[0] != '?' && rest[0] != '#'
}

package handlers

import (
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

const (
	contentTypeJSON = "application/json; charset=utf-8"
	contentTypeText = "text/plain; charset=utf-8"
)

// setHeaders sets what every answer carries. A session, or that there is none,
// must not be kept by a cache on the way.
func setHeaders(ctx *fasthttp.RequestCtx, contentType string) {
	ctx.Response.Header.SetContentType(contentType)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
}

// body takes the response's own buffer, emptied, to append to; setBody gives it
// back. In between the response has no body.
func body(ctx *fasthttp.RequestCtx) []byte { return ctx.Response.SwapBody(nil)[:0] }

// setBody answers with b, a JSON text appended to what body returned.
func setBody(ctx *fasthttp.RequestCtx, b []byte) {
	setHeaders(ctx, contentTypeJSON)
	ctx.Response.SwapBody(b)
}

// writeSession answers with a session.
func writeSession(ctx *fasthttp.RequestCtx, s *store.Session, with details) {
	setBody(ctx, appendSession(body(ctx), s, with))
}

// writeCount answers with {"name":n}.
func writeCount(ctx *fasthttp.RequestCtx, name string, n int64) {
	b := append(body(ctx), '{', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	b = strconv.AppendInt(b, n, 10)
	setBody(ctx, append(b, '}'))
}

// writeToken answers with {"token":token} and those of the details that are asked for.
func writeToken(ctx *fasthttp.RequestCtx, token string, with details, d *store.Details) {
	b := append(body(ctx), `{"token":"`...)
	b = append(b, token...)
	b = appendDetails(append(b, '"'), with, d)
	setBody(ctx, append(b, '}'))
}

// writeText answers with a JSON or plain text.
func writeText(ctx *fasthttp.RequestCtx, contentType, text string) {
	setHeaders(ctx, contentType)
	ctx.Response.SetBodyString(text)
}

// appendSession appends s as JSON, with d copied through as it is stored.
func appendSession(dst []byte, s *store.Session, with details) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, s.ID)
	dst = append(dst, `,"r":`...)
	dst = strconv.AppendInt(dst, s.R, 10)
	dst = append(dst, `,"w":`...)
	dst = strconv.AppendInt(dst, s.W, 10)
	dst = append(dst, `,"ttl":`...)
	dst = strconv.AppendInt(dst, s.TTL, 10)
	dst = append(dst, `,"idle":`...)
	dst = strconv.AppendInt(dst, s.Idle, 10)
	dst = append(dst, `,"ip":`...)
	dst = appendString(dst, s.IP)
	if s.NoResave {
		dst = append(dst, `,"no_resave":true`...)
	}
	dst = appendDetails(dst, with, &s.Details)
	if s.D != "" {
		dst = append(dst, `,"d":`...)
		dst = append(dst, s.D...)
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as JSON.stringify spells it: only quotes, backslashes
// and control characters are escaped. A byte that is no UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = utf8.AppendRune(dst, utf8.RuneError)
		} else {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendEscape appends the escape of an ASCII character that needs one.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	case '\f':
		return append(dst, `\f`...)
	case '\r':
		return append(dst, `\r`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

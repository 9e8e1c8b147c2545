package handlers

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/admission"
	"rest-sessions/handlers/apikey"
	"rest-sessions/store"
)

const (
	// routeAuth is the route for proxies that ask before they serve a page.
	routeAuth = "/{app}/auth"
	// routeAuthUnder is the same for Envoy, which appends the path of the page.
	routeAuthUnder = routeAuth + "/{page:*}"

	// headerID, headerHandle and headerData tell a proxy whose session it is. A proxy
	// hands them on, so it must not let its visitors send them.
	headerID     = "X-Session-Id"
	headerHandle = "X-Session-Handle"
	headerData   = "X-Session-Data"
	// maxHeaderData is the most bytes of headerData: nginx and others give all headers
	// of an answer together 4 or 8 KiB.
	maxHeaderData = 4 << 10
)

var accessAuth = access{from: scopeApp, roles: apikey.Full | apikey.ReadOnly | apikey.Web | apikey.Auth, queue: admission.Short, proxy: true}

// auth answers /{app}/auth?data= and /{app}/auth/{page}; see hot for most of them.
func (a *API) auth(ctx *fasthttp.RequestCtx) error {
	app, err := pathApp(ctx)
	if err != nil {
		return err
	}
	return a.answerAuth(ctx, app, ctx.UserValue("page") != nil)
}

// answerAuth answers whether the token in the head of the request is that of a session,
// 401 if not. Nothing else is read of the request: what a proxy passes on of its
// visitor's, its body and under auth/ its query, is not meant for this server.
func (a *API) answerAuth(ctx *fasthttp.RequestCtx, app string, under bool) error {
	keys := ""
	if !under && len(query(ctx)) > 0 {
		var err error
		if keys, err = authKeys(ctx); err != nil {
			return err
		}
	}
	token, fault := a.headTokens.find(ctx)
	if fault != tokenFound {
		return a.headTokens.noSession[fault]
	}
	s, err := a.store.GetWith(a.ctx, app, token)
	switch {
	case err == nil:
		a.metrics.Served()
		writeAuth(ctx, &s, keys)
	case errors.Is(err, store.ErrNotFound):
		a.missed(ctx)
		return a.headTokens.noSession[tokenFound]
	default:
		return err
	}
	return nil
}

// authKeys returns the data parameter, the keys that headerData is to have, with commas
// between them, or "" for all. Caddy's forward_auth passes the query of its visitor on,
// unless the address that it is given has one: a visitor must not choose the keys.
func authKeys(ctx *fasthttp.RequestCtx) (string, error) {
	keys, found, err := queryValue(ctx, "data")
	if isVisitors(ctx) {
		if found {
			return "", invalidValue("The query is that of the visitor (X-Forwarded-Uri), and it has the parameter data. In the proxy, end the URL of auth with ? or with a query of its own")
		}
		return "", nil
	}
	if err == nil {
		err = knownParameters(ctx, parameters[routeAuth])
	}
	if err == nil && found && strings.Contains(","+keys+",", ",,") {
		// Nothing would have to mean all.
		err = invalidValue("data must be a comma-separated list of keys of the session's data")
	}
	return keys, err
}

// isVisitors reports whether a proxy says that the query of the request is its visitor's.
func isVisitors(ctx *fasthttp.RequestCtx) bool {
	_, visitors, ok := bytes.Cut(ctx.Request.Header.Peek("X-Forwarded-Uri"), []byte("?"))
	return ok && bytes.Equal(visitors, query(ctx))
}

// writeAuth answers with a session, and with headers that a proxy can hand on. It makes
// their values behind the body, in its buffer.
func writeAuth(ctx *fasthttp.RequestCtx, s *store.Session, keys string) {
	b := appendSession(body(ctx), s, 0)
	end := len(b)
	h := &ctx.Response.Header
	b = appendPercent(b, s.ID)
	h.SetBytesV(headerID, b[end:])
	b = store.AppendHandle(b[:end], s.First)
	h.SetBytesV(headerHandle, b[end:])
	var fits bool
	if b, fits = appendHeaderData(b[:end], s.D, keys); fits {
		h.SetBytesV(headerData, b[end:])
	}
	setBody(ctx, b[:end])
}

// appendPercent appends text with all but printable ASCII percent-encoded, and % and
// spaces too: a header loses those at its ends.
func appendPercent(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// appendHeaderData appends data in ASCII, {} if there is none, and if there are keys only
// those of its fields. It reports false if that is over maxHeaderData, or data not of
// the form of data.
func appendHeaderData(b []byte, data, keys string) ([]byte, bool) {
	start := len(b)
	switch {
	case data == "":
		return append(b, '{', '}'), true
	case keys == "":
		return appendASCII(b, data, start+maxHeaderData)
	}
	fits := true
	b = append(b, '{')
	whole := store.EachField(data, func(key, value string) {
		if !fits || !names(keys, key) {
			return
		}
		if len(b) > start+1 {
			b = append(b, ',')
		}
		most := start + maxHeaderData - len("}")
		if b, fits = appendASCII(b, key, most); fits {
			b, fits = appendASCII(append(b, ':'), value, most)
		}
	})
	return append(b, '}'), fits && whole
}

// names reports whether a key, as JSON has it, is one of keys.
func names(keys, key string) bool {
	var space [64]byte
	for rest, more := keys, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ",")
		if string(appendString(space[:0], name)) == key {
			return true
		}
	}
	return false
}

// appendASCII appends JSON text with escapes for what is not printable ASCII. It reports
// false if b has more than most bytes then, and may stop early.
func appendASCII(b []byte, text string, most int) ([]byte, bool) {
	if len(b)+len(text) > most {
		return b, false // an escape is longer than what it stands for
	}
	for i := 0; i < len(text); {
		if c := text[i]; c < 0x7f {
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			b = appendUnit(b, high)
			r = low
		}
		b = appendUnit(b, r)
	}
	return b, len(b) <= most
}

// appendUnit appends the escape of a UTF-16 code unit.
func appendUnit(b []byte, unit rune) []byte {
	return append(b, '\\', 'u', hexDigits[unit>>12&15], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
}

package handlers

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

const (
	// tokenInHead stands in a path or a query for the token in the head of the request:
	// a URL ends up in the log of every proxy.
	tokenInHead = "-"
	// tokenHeader is the header that may hold the token.
	tokenHeader = "X-Session-Token"
	// DefaultCookie is the cookie that may hold the token instead.
	DefaultCookie = "sid"
)

// tokenFault is why a request has no token in its head.
type tokenFault int

const (
	tokenFound tokenFault = iota
	tokenMissing
	badHeader
	twoHeaders
	badCookie
	twoCookies
	tokenFaults // how many there are
)

// headTokens reads the session's token from the head of requests.
type headTokens struct {
	cookie string
	// The errors are made once: a site's visitors without a session send many such
	// requests. The route auth has its own.
	noToken, noSession [tokenFaults]*apiError
}

func newHeadTokens(cookie string) headTokens {
	const form = " holds no session token, which is 64 of A-Z a-z 0-9"
	t := headTokens{cookie: cookie}
	for fault, message := range [tokenFaults]string{
		tokenFound:   "No session has the token in the request",
		tokenMissing: "There is no session token in the request, neither in the header " + tokenHeader + " nor in the cookie " + cookie,
		badHeader:    "The header " + tokenHeader + form,
		twoHeaders:   "The header " + tokenHeader + " is in the request more than once",
		badCookie:    "The cookie " + cookie + form,
		twoCookies:   "The cookie " + cookie + " is in the request twice with different values",
	} {
		t.noToken[fault] = &apiError{fasthttp.StatusUnauthorized, "noToken", message}
		t.noSession[fault] = &apiError{fasthttp.StatusUnauthorized, "noSession", message}
	}
	return t
}

// of returns the token in the head of a request, or an error that says what is wrong.
func (t *headTokens) of(ctx *fasthttp.RequestCtx) (string, error) {
	token, fault := t.find(ctx)
	if fault != tokenFound {
		return "", t.noToken[fault]
	}
	return token, nil
}

// find returns the token in the head of a request: that of the header, or if that is not
// there, even empty, that of the cookie. It aliases the request and allocates nothing.
// It reads the head as it was sent, since fasthttp's look-ups find trailers too, which
// a proxy in front does not check.
func (t *headTokens) find(ctx *fasthttp.RequestCtx) (string, tokenFault) {
	var header []byte
	var cookie cookieValue
	headers := 0
	for raw := ctx.Request.Header.RawHeaders(); len(raw) > 0; {
		var line []byte
		line, raw, _ = bytes.Cut(raw, lineFeed)
		name, value, _ := bytes.Cut(line, colon)
		switch {
		case len(name) == len(tokenHeader) && bytes.EqualFold(name, tokenHeaderName):
			header = trimSpace(value)
			headers++
		case len(name) == len(fasthttp.HeaderCookie) && bytes.EqualFold(name, cookieName):
			cookie.read(value, t.cookie)
		}
	}
	switch {
	case headers > 1:
		return "", twoHeaders
	case headers == 1:
		return validToken(header, badHeader)
	case cookie.differs:
		return "", twoCookies
	case !cookie.found:
		return "", tokenMissing
	}
	return validToken(cookie.text, badCookie)
}

var (
	lineFeed        = []byte("\n")
	colon           = []byte(":")
	tokenHeaderName = []byte(tokenHeader)
	cookieName      = []byte(fasthttp.HeaderCookie)
)

// cookieValue is what a request has of one cookie.
type cookieValue struct {
	text    []byte // without double quotes around it
	found   bool
	differs bool // the cookie is there again, with another text
}

// read looks the cookie up in the list that a Cookie header holds.
func (c *cookieValue) read(list []byte, name string) {
	for len(list) > 0 {
		var pair []byte
		pair, list, _ = bytes.Cut(list, semicolon)
		key, text, ok := bytes.Cut(pair, equals)
		if !ok || string(trimSpace(key)) != name {
			continue
		}
		text = trimSpace(text)
		if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
			text = text[1 : n-1]
		}
		c.differs = c.differs || c.found && !bytes.Equal(c.text, text)
		c.text, c.found = text, true
	}
}

var (
	semicolon = []byte(";")
	equals    = []byte("=")
)

// trimSpace removes the white space of HTTP, and the CR of a line.
func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r") }

func validToken(b []byte, otherwise tokenFault) (string, tokenFault) {
	token := unsafe.String(unsafe.SliceData(b), len(b))
	if !store.ValidToken(token) {
		return "", otherwise
	}
	return token, tokenFound
}

// ValidCookieName reports whether a cookie may have the name: a token of RFC 9110,
// which is what RFC 6265 asks for.
func ValidCookieName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

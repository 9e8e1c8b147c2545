package handlers

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// pathApp returns the app that the path names.
func pathApp(ctx *fasthttp.RequestCtx) (string, error) {
	return pathValue(ctx, "app", store.ValidApp)
}

// pathToken returns the token that the path names, or for - the one in the head.
func (a *API) pathToken(ctx *fasthttp.RequestCtx) (string, error) {
	token, err := pathValue(ctx, "token", validTokenSegment)
	if token == tokenInHead {
		return a.headTokens.of(ctx)
	}
	return token, err
}

func validTokenSegment(s string) bool { return s == tokenInHead || store.ValidToken(s) }

// pathID returns the user's id that the path names.
func pathID(ctx *fasthttp.RequestCtx) (string, error) {
	return pathValue(ctx, "id", store.ValidID)
}

// pathValue returns a path segment, percent-decoded once. The router matches the
// raw path, so an encoded slash is part of the segment; and it hands out copies,
// so the value does not alias the request.
func pathValue(ctx *fasthttp.RequestCtx, name string, valid func(string) bool) (string, error) {
	raw, _ := ctx.UserValue(name).(string)
	value, ok := unescape(raw, false)
	if !ok || !valid(value) {
		return "", invalidFormat(name)
	}
	return value, nil
}

// queryIP returns the ip parameter.
func queryIP(ctx *fasthttp.RequestCtx) (string, error) {
	ip, _, err := queryValue(ctx, "ip")
	switch {
	case err != nil:
		return "", err
	case ip == "":
		return "", missingParameter("ip")
	case !store.ValidIP(ip):
		return "", invalidFormat("ip")
	}
	return strings.Clone(ip), nil
}

// queryTTL returns the ttl parameter in seconds, the default when it is empty.
func queryTTL(ctx *fasthttp.RequestCtx) (int64, error) {
	return seconds(ctx, "ttl", store.MinTTL, store.DefaultTTL)
}

// queryMaxAge returns the max_age parameter in seconds, 0 when it is empty: no end.
func queryMaxAge(ctx *fasthttp.RequestCtx) (int64, error) {
	return seconds(ctx, "max_age", store.MinTTL, 0)
}

// queryMaxSessions returns the max_sessions parameter, 0 when it is empty: no limit.
func queryMaxSessions(ctx *fasthttp.RequestCtx) (int, error) {
	n, err := between(ctx, "max_sessions", 1, store.MaxUserSessions, 0)
	return int(n), err
}

// queryGrace returns the grace parameter in seconds, the default when it is empty.
func queryGrace(ctx *fasthttp.RequestCtx) (int64, error) {
	return between(ctx, "grace", 0, store.MaxGrace, store.DefaultGrace)
}

// between parses the whole of a parameter as a number in a range.
func between(ctx *fasthttp.RequestCtx, name string, least, most, empty int64) (int64, error) {
	text, _, err := queryValue(ctx, name)
	if err != nil || text == "" {
		return empty, err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(n) < least || int64(n) > most {
		return 0, invalidValue(name + " must be an integer from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10))
	}
	return int64(n), nil
}

// queryExcept returns the except parameter, for - the token in the head, and "" if it is
// not there. One that is empty is refused: whoever sends it would lose the session that
// it was to name.
func (a *API) queryExcept(ctx *fasthttp.RequestCtx) (string, error) {
	token, found, err := queryValue(ctx, "except")
	if err == nil && token == tokenInHead {
		return a.headTokens.of(ctx)
	}
	if err == nil && found && !store.ValidToken(token) {
		err = newFormat("except", "a token, 64 letters and digits, or - for the token in the head")
	}
	return token, err
}

// queryHandle returns the handle parameter, and whether it is there. One that is empty is
// refused: all of the user's sessions would end instead of one.
func queryHandle(ctx *fasthttp.RequestCtx) (handle string, found bool, err error) {
	handle, found, err = queryValue(ctx, "handle")
	if err == nil && found && !store.ValidHandle(handle) {
		err = newFormat("handle", "22 letters and digits, as with=handle gives them")
	}
	return handle, found, err
}

// queryDT returns the dt parameter in seconds. It has no default.
func queryDT(ctx *fasthttp.RequestCtx) (int64, error) {
	return seconds(ctx, "dt", store.MinActivity, required)
}

// required is a default of seconds that says that there is none.
const required = -1

// seconds parses the whole of a parameter as a number of seconds.
func seconds(ctx *fasthttp.RequestCtx, name string, least, empty int64) (int64, error) {
	text, _, err := queryValue(ctx, name)
	if err != nil || text == "" && empty != required {
		return empty, err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case n > store.MaxTTL: // also if it is past what n can hold
		return 0, invalidValue(name + " must have at most 15 digits")
	case err != nil || int64(n) < least:
		return 0, invalidValue(name + " must be a positive integer >= " + strconv.FormatInt(least, 10))
	}
	return int64(n), nil
}

// maxLimit is the most sessions on a page of a list.
const maxLimit = 1000

// listOptions are the parameters of a list.
type listOptions struct {
	limit  int // of a page; 0: the whole list
	cursor string
	with   details
}

func queryList(ctx *fasthttp.RequestCtx) (how listOptions, err error) {
	if how.limit, how.cursor, err = queryPage(ctx); err == nil {
		how.with, err = queryWith(ctx)
	}
	return how, err
}

// queryPage returns the limit and cursor parameters. A limit of 0 means that the
// whole list is asked for; then there is no cursor.
func queryPage(ctx *fasthttp.RequestCtx) (limit int, cursor string, err error) {
	text, _, err := queryValue(ctx, "limit")
	if err != nil {
		return 0, "", err
	}
	if text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit || text[0] == '+' {
			return 0, "", invalidValue("limit must be a positive integer <= " + strconv.Itoa(maxLimit))
		}
	}
	if cursor, _, err = queryValue(ctx, "cursor"); err == nil && cursor != "" && limit == 0 {
		err = missingBeside("limit", "cursor")
	}
	return limit, cursor, err
}

// queryNoResave returns the no_resave parameter, false when it is empty.
func queryNoResave(ctx *fasthttp.RequestCtx) (bool, error) {
	return queryBool(ctx, "no_resave", false)
}

// queryBool returns a parameter that is true or false.
func queryBool(ctx *fasthttp.RequestCtx, name string, empty bool) (bool, error) {
	text, _, err := queryValue(ctx, name)
	switch {
	case err != nil:
		return false, err
	case text == "true" || text == "1":
		return true, nil
	case text == "false" || text == "0":
		return false, nil
	case text == "":
		return empty, nil
	}
	return false, invalidValue(name + " must be true or false")
}

// queryValue returns a parameter of the query, decoded, and whether it is there. It may
// alias the request.
func queryValue(ctx *fasthttp.RequestCtx, name string) (value string, found bool, err error) {
	return lookup(query(ctx), name)
}

// query returns the query as it was sent. A request without one is spared the parsing of
// its target.
func query(ctx *fasthttp.RequestCtx) []byte {
	if bytes.IndexByte(ctx.Request.Header.RequestURI(), '?') < 0 {
		return nil
	}
	return ctx.URI().QueryString()
}

// lookup is queryValue of a raw query. A parameter that is there twice, or has a broken
// escape, is an error: any reading of it would be a guess.
func lookup(text []byte, name string) (value string, found bool, err error) {
	for rest := unsafe.String(unsafe.SliceData(text), len(text)); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, raw, _ := strings.Cut(pair, "=")
		key, ok := unescape(key, true)
		if !ok || key != name {
			continue
		}
		if found {
			return "", true, invalidValue(name + " is in the query more than once")
		}
		found = true
		if value, ok = unescape(raw, true); !ok {
			return "", true, invalidValue(name + " has a broken percent-escape; write a % itself as %25")
		}
	}
	return value, found, nil
}

// unescape percent-decodes s once; in a query, plus is a space. It reports false
// if an escape is broken. Without an escape the result is s itself.
func unescape(s string, query bool) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && !(query && strings.IndexByte(s, '+') >= 0) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, ok1 := unhex(s[i+1])
			low, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			b = append(b, high<<4|low)
			i += 2
		case c == '+' && query:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

package handlers

import (
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

// pathToken returns the token that the path names.
func pathToken(ctx *fasthttp.RequestCtx) (string, error) {
	return pathValue(ctx, "token", store.ValidToken)
}

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
	ip, ok := queryValue(ctx.URI().QueryString(), "ip")
	switch {
	case !ok:
		return "", invalidFormat("ip")
	case ip == "":
		return "", missingParameter("ip")
	case !store.ValidIP(ip):
		return "", invalidFormat("ip")
	}
	return strings.Clone(ip), nil
}

// queryTTL returns the ttl parameter in seconds, the default when it is empty.
func queryTTL(ctx *fasthttp.RequestCtx) (int64, error) {
	text, ok := queryValue(ctx.URI().QueryString(), "ttl")
	if ok && text == "" {
		return store.DefaultTTL, nil
	}
	return seconds("ttl", text, ok, store.MinTTL)
}

// queryMaxAge returns the max_age parameter in seconds, 0 when it is empty: no end.
func queryMaxAge(ctx *fasthttp.RequestCtx) (int64, error) {
	text, ok := queryValue(ctx.URI().QueryString(), "max_age")
	if ok && text == "" {
		return 0, nil
	}
	return seconds("max_age", text, ok, store.MinTTL)
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
	text, ok := queryValue(ctx.URI().QueryString(), name)
	if ok && text == "" {
		return empty, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if !ok || err != nil || int64(n) < least || int64(n) > most {
		return 0, invalidValue(name + " must be an integer from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10))
	}
	return int64(n), nil
}

// queryExcept returns the except parameter, "" if it is not there. One that is empty
// is refused: whoever sends it would lose the session that it was to name.
func queryExcept(ctx *fasthttp.RequestCtx) (string, error) {
	token, found, ok := lookup(ctx.URI().QueryString(), "except")
	if !ok || found && !store.ValidToken(token) {
		return "", invalidFormat("except")
	}
	return token, nil
}

// queryDT returns the dt parameter in seconds. It has no default.
func queryDT(ctx *fasthttp.RequestCtx) (int64, error) {
	text, ok := queryValue(ctx.URI().QueryString(), "dt")
	return seconds("dt", text, ok, store.MinActivity)
}

// seconds parses the whole of text as a number of seconds.
func seconds(name, text string, ok bool, least int64) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if !ok || err != nil || int64(n) < least || n > store.MaxTTL {
		return 0, invalidValue(name + " must be a positive integer >= " + strconv.FormatInt(least, 10))
	}
	return int64(n), nil
}

// maxLimit is the most sessions in a part of a list.
const maxLimit = 1000

// queryPart returns the limit and cursor parameters. A limit of 0 means that the
// whole list is asked for; then there is no cursor.
func queryPart(ctx *fasthttp.RequestCtx) (limit int, cursor string, err error) {
	query := ctx.URI().QueryString()
	text, ok := queryValue(query, "limit")
	cursor, cursorOK := queryValue(query, "cursor")
	if ok && text != "" {
		limit, err = strconv.Atoi(text)
		ok = err == nil && 1 <= limit && limit <= maxLimit && text[0] != '+'
	}
	switch {
	case !ok:
		return 0, "", invalidValue("limit must be a positive integer <= " + strconv.Itoa(maxLimit))
	case !cursorOK:
		return 0, "", errCursor
	case cursor != "" && limit == 0:
		return 0, "", missingParameter("limit")
	}
	return limit, cursor, nil
}

// queryNoResave returns the no_resave parameter, false when it is empty.
func queryNoResave(ctx *fasthttp.RequestCtx) (bool, error) {
	text, ok := queryValue(ctx.URI().QueryString(), "no_resave")
	switch {
	case ok && (text == "true" || text == "1"):
		return true, nil
	case ok && (text == "" || text == "false" || text == "0"):
		return false, nil
	}
	return false, invalidValue("no_resave must be true or false")
}

// queryValue returns a parameter of a raw query, decoded, "" if it is not there.
// It reports false if the parameter stands there twice, or in a broken escape:
// to take one reading of such a query is to guess. The value may alias query.
func queryValue(query []byte, name string) (value string, ok bool) {
	value, _, ok = lookup(query, name)
	return value, ok
}

// lookup is queryValue that tells a parameter that is empty from none.
func lookup(query []byte, name string) (value string, found, ok bool) {
	for rest := unsafe.String(unsafe.SliceData(query), len(query)); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, text, _ := strings.Cut(pair, "=")
		if key, ok = unescape(key, true); !ok || key != name {
			continue
		}
		if found {
			return "", true, false
		}
		found = true
		if value, ok = unescape(text, true); !ok {
			return "", true, false
		}
	}
	return value, found, true
}

// unescape percent-decodes s once; in a query, plus is a space. It reports false
// if an escape is broken. Without an escape the result is s itself.
func unescape(s string, query bool) (string, bool) {
	special := "%"
	if query {
		special = "%+"
	}
	if !strings.ContainsAny(s, special) {
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

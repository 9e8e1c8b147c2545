package handlers

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"rest-sessions/handlers/console"
	"rest-sessions/internal/pseudonym"
	"rest-sessions/store"
)

// hider keeps what may be the id or the address of a user out of the log. Of a request
// it shows only what cannot be one, and of all else a pseudonym, whatever it is: an id
// can stand in any place of a request that is wrong. A nil *hider hides nothing.
type hider struct{ *pseudonym.Maker }

func newHider(m *pseudonym.Maker) *hider {
	if m == nil {
		return nil
	}
	return &hider{m}
}

// numberParameters, boolParameters and withValues are what a query may show, with
// values of the right form alone.
var (
	numberParameters = []string{"ttl", "dt", "limit", "max_age", "max_sessions", "grace", "if_w"}
	boolParameters   = []string{"no_resave", "touch"}
	boolValues       = []string{"true", "false", "1", "0"}
	withValues       = []string{"handle", "created", "expires"}
	methods          = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"}
)

// maxDigits is the length of the longest number that a query may show, that of the
// longest ttl.
const maxDigits = 15

// appendMethod appends a method that HTTP has.
func (h *hider) appendMethod(b, method []byte) []byte {
	if slices.Contains(methods, string(method)) {
		return append(b, method...)
	}
	return h.Append(b, method)
}

// appendTarget appends a request target: the app, the verb and what is said of a query.
func (h *hider) appendTarget(b, target []byte) []byte {
	path, query, queried := bytes.Cut(target, []byte("?"))
	if scheme, rest, ok := bytes.Cut(path, []byte("://")); ok && isScheme(scheme) {
		host, _, _ := bytes.Cut(rest, []byte("/"))
		b = append(append(b, scheme...), "://"...)
		b = h.Append(b, host)
		path = rest[len(host):]
	}
	b = h.appendPath(b, path)
	if queried {
		b = h.appendQuery(append(b, '?'), query)
	}
	return b
}

func isScheme(b []byte) bool {
	return bytes.EqualFold(b, []byte("http")) || bytes.EqualFold(b, []byte("https"))
}

// appendPath appends a path. Its first segment is shown only where the path is that of a
// route, and it so an app: else an id may stand there.
func (h *hider) appendPath(b, path []byte) []byte {
	switch {
	case plainPaths()[string(path)]:
		return append(b, path...)
	case path[0] != '/':
		return h.Append(b, path)
	}
	app, rest, _ := bytes.Cut(path[1:], []byte("/"))
	word, under, more := bytes.Cut(rest, []byte("/"))
	if !isRoute(word, under) {
		return h.appendSegments(b, path[1:])
	}
	b = append(b, '/')
	if name, ok := unescape(string(app), false); ok && store.ValidApp(name) {
		b = append(b, app...)
	} else {
		b = h.appendHidden(b, app, false)
	}
	b = append(append(b, '/'), word...)
	if more {
		b = h.appendSegments(b, under)
	}
	return b
}

// plainPaths are the paths without names in them.
var plainPaths = sync.OnceValue(func() map[string]bool {
	paths := map[string]bool{"": true, "*": true, routeConsole: true, routeConsoleAccess: true}
	for _, path := range []string{"/", "/openapi.json", "/ping", "/livez", "/readyz", "/healthz", "/metrics"} {
		paths[path] = true
	}
	for _, file := range console.Files() {
		paths[routeConsole+"/"+file.Name] = true
	}
	return paths
})

// verb is the word that follows the app in a route.
type verb struct {
	word []byte
	more bool // one segment follows
}

var verbs = func() (all []verb) {
	for route := range parameters {
		word, _, more := strings.Cut(strings.TrimPrefix(route, "/{app}/"), "/")
		all = append(all, verb{[]byte(word), more})
	}
	return all
}()

// isRoute reports whether there is a route with a word, in any case, where the app and
// the word are followed by under.
func isRoute(word, under []byte) bool {
	under = bytes.TrimSuffix(under, []byte("/"))
	return slices.ContainsFunc(verbs, func(v verb) bool {
		return bytes.EqualFold(v.word, word) && (v.more == (len(under) > 0) || string(v.word) == "auth")
	})
}

// appendSegments appends a path without its first slash, each segment hidden.
func (h *hider) appendSegments(b, path []byte) []byte {
	for more := true; more; {
		var segment []byte
		segment, path, more = bytes.Cut(path, []byte("/"))
		b = h.appendHidden(append(b, '/'), segment, false)
	}
	return b
}

// appendQuery appends a query without its question mark.
func (h *hider) appendQuery(b, query []byte) []byte {
	for more := true; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte("&"))
		raw, value, valued := bytes.Cut(pair, []byte("="))
		name := parameterName(raw)
		if name != "" {
			b = append(b, name...)
		} else {
			b = h.appendHidden(b, raw, true)
		}
		if valued {
			b = append(b, '=')
			if isPlainValue(name, value) {
				b = append(b, value...)
			} else {
				b = h.appendHidden(b, value, true)
			}
		}
		if more {
			b = append(b, '&')
		}
	}
	return b
}

// parameterName returns the name of a parameter, decoded, or "" if no route has it.
func parameterName(raw []byte) string {
	name, ok := unescape(unsafe.String(unsafe.SliceData(raw), len(raw)), true)
	for _, names := range parameters {
		if i := slices.Index(names, name); ok && i >= 0 {
			return names[i]
		}
	}
	return ""
}

// isPlainValue reports whether the value of a parameter can be no id.
func isPlainValue(name string, value []byte) bool {
	switch {
	case slices.Contains(numberParameters, name):
		return len(value) <= maxDigits && runLen(value, func(c byte) bool { return '0' <= c && c <= '9' }) == len(value)
	case slices.Contains(boolParameters, name):
		return slices.Contains(boolValues, string(value))
	case name == "with":
		for more := true; more; {
			var word []byte
			if word, value, more = bytes.Cut(value, []byte(",")); !slices.Contains(withValues, string(word)) {
				return false
			}
		}
		return true
	}
	return false
}

// appendHidden appends the pseudonym of a segment, or in a query of a name or value, as
// the endpoints read it: so an id has one whichever way it is written. Nothing, and the -
// for the token in the head, it appends as they are.
func (h *hider) appendHidden(b, raw []byte, query bool) []byte {
	if len(raw) == 0 || string(raw) == tokenInHead {
		return append(b, raw...)
	}
	if bytes.IndexByte(raw, '%') >= 0 || query && bytes.IndexByte(raw, '+') >= 0 {
		if value, ok := unescape(string(raw), query); ok {
			raw = []byte(value)
		}
	}
	return h.Append(b, raw)
}

// appendHeader appends the pseudonym of a header's value, unless it is empty.
func (h *hider) appendHeader(b, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return h.Append(b, value)
}

// appendRequestID appends a request's id as it is if it is one made at random, a UUID or
// 32 hex digits, else its pseudonym.
func (h *hider) appendRequestID(b, id []byte) []byte {
	digits := bytes.ReplaceAll(id, []byte("-"), nil)
	uuid := len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
	if len(digits) == 32 && (uuid || len(id) == 32) && runLen(digits, isHex) == len(digits) {
		return append(b, id...)
	}
	return h.Append(b, id)
}

func isHex(c byte) bool {
	_, ok := unhex(c)
	return ok
}

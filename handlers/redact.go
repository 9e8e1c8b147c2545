package handlers

import (
	"bytes"
	"slices"
	"strings"

	"rest-sessions/handlers/apikey"
)

const (
	// tokenShown is how many characters of a token a log may show.
	tokenShown = 6
	// secretLen is the shortest run of token characters in a path that is taken for
	// a token, or for most of one, wherever it stands; ids are mostly shorter.
	secretLen = 48
	// querySecretLen is that of what follows a question mark or a #, where no long
	// value belongs. It is the shortest API key.
	querySecretLen = apikey.MinLen
)

// redact appends text, a URL or a header's value, with its secrets shortened to their
// first 6 characters: the path segment that follows /get/ and the like, whatever its
// escapes, what is nearly as long as a token, and in a query what could be a key.
func redact(b, text []byte) []byte {
	query := false
	for len(text) > 0 {
		n := 0
		least := secretLen
		switch {
		case query:
			least = querySecretLen
			n = runLen(text, isKeyByte)
		case endsInTokenRoute(b):
			least = tokenShown + 1
			n = runLen(text, isSegmentByte)
		default:
			n = runLen(text, isTokenByte)
		}
		if n >= least {
			b = append(b, text[:tokenShown]...)
			b = append(b, "..."...)
		} else {
			b = append(b, text[:n]...)
		}
		if text = text[n:]; len(text) > 0 {
			query = query || text[0] == '?' || text[0] == '#'
			b = append(b, text[0])
			text = text[1:]
		}
	}
	return b
}

// runLen returns how many bytes at the beginning of text are of a kind.
func runLen(text []byte, is func(byte) bool) int {
	for i, c := range text {
		if !is(c) {
			return i
		}
	}
	return len(text)
}

var tokenRoutes = [][]byte{[]byte("/get/"), []byte("/set/"), []byte("/touch/"), []byte("/rotate/"), []byte("/kill/")}

func endsInTokenRoute(b []byte) bool {
	return slices.ContainsFunc(tokenRoutes, func(route []byte) bool { return bytes.HasSuffix(b, route) })
}

// isTokenByte reports whether c can be of a token; an escape can.
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '%'
}

// isKeyByte reports whether c can be of an API key.
func isKeyByte(c byte) bool { return isTokenByte(c) || strings.IndexByte("-._~+/", c) >= 0 }

// isSegmentByte reports whether c can be of a path segment.
func isSegmentByte(c byte) bool { return c > ' ' && strings.IndexByte(`/?#"`, c) < 0 }

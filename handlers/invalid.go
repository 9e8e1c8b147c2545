package handlers

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// checkJSON returns an error that says where body is not JSON in UTF-8, or where it holds
// half of a surrogate pair: PHP and Ruby could not read that back. Bytes count from 1;
// skipped is how many stood before body.
func checkJSON(body []byte, skipped int) error {
	if !utf8.Valid(body) || !json.Valid(body) {
		return syntaxError(body, skipped)
	}
	if at := loneSurrogate(body); at >= 0 {
		return invalidJSON(fmt.Sprintf("at byte %d, %s is half of a surrogate pair without the other half", skipped+at+1, body[at:at+6]))
	}
	return nil
}

func invalidJSON(where string) error {
	return &apiError{fasthttp.StatusBadRequest, errInvalidJSON.name, errInvalidJSON.message + ": " + where}
}

// syntaxError finds the first fault in body. encoding/json knows where that is, which
// the faster go-json does not tell.
func syntaxError(body []byte, skipped int) error {
	encoding := notUTF8(body)
	var syntax *stdjson.SyntaxError
	if err := stdjson.Unmarshal(body, new(stdjson.RawMessage)); !errors.As(err, &syntax) {
		syntax = nil
	}
	switch {
	case encoding >= 0 && (syntax == nil || int64(encoding) < syntax.Offset):
		return invalidJSON(fmt.Sprintf("at byte %d, a byte that is not UTF-8", skipped+encoding+1))
	case syntax == nil:
		return errInvalidJSON
	case syntax.Offset >= int64(len(body)) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		return invalidJSON(fmt.Sprintf("it ends too early, after byte %d", skipped+len(body)))
	}
	at := int(syntax.Offset) - 1 // of the character that is wrong
	problem := syntax.Error()
	if end := strings.LastIndex(problem, "' "); end >= 0 {
		// encoding/json quotes a byte, which in UTF-8 may be part of a character.
		r, _ := utf8.DecodeRune(body[at:])
		problem = "unexpected " + strconv.QuoteRune(r) + problem[end+1:]
	}
	return invalidJSON(fmt.Sprintf("at byte %d, %s", skipped+at+1, problem))
}

// notUTF8 returns the index of the first byte that is not of UTF-8, -1 if there is none.
func notUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// loneSurrogate returns the index of the first escape in valid JSON that is half of a
// surrogate pair without the other half, -1 if there is none.
func loneSurrogate(text []byte) int {
	for i := 0; ; i += 2 {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			return -1
		}
		if i += next; text[i+1] != 'u' {
			continue
		}
		unit := hex4(string(text[i+2 : i+6]))
		switch {
		case unit < 0xD800 || unit > 0xDFFF:
		case unit < 0xDC00 && bytes.HasPrefix(text[i+6:], []byte(`\u`)) && hex4(string(text[i+8:i+12]))&0xFC00 == 0xDC00:
			i += 6
		default:
			return i
		}
	}
}

package handlers

import (
	"bytes"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// requestData returns the data in the body, none if the body is empty. A byte order mark
// before it is passed over, as the original does; with orArray, [] is an empty object.
func requestData(ctx *fasthttp.RequestCtx, orArray bool) (store.Data, error) {
	body, err := decodedBody(ctx)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if !isJSON(string(ctx.Request.Header.ContentType())) {
		return nil, errMediaType
	}
	text := bytes.TrimPrefix(body, byteOrderMark)
	if orArray && isEmptyArray(text) {
		return nil, nil
	}
	if err := checkJSON(text, len(body)-len(text)); err != nil {
		return nil, err
	}
	return parseData(text)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// isEmptyArray reports whether body is [], which PHP's json_encode makes of an array
// without elements, whatever it was to be.
func isEmptyArray(body []byte) bool {
	inner, begins := bytes.CutPrefix(bytes.Trim(body, jsonSpace), []byte("["))
	return begins && string(bytes.TrimLeft(inner, jsonSpace)) == "]"
}

// isJSON reports whether a Content-Type says JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	return err == nil && mediaType == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// parseData reads a flat JSON object that has passed checkJSON: keys in JSON.stringify's spelling, values
// as they were sent; of a key that is there twice the last value, in the first
// place. Nothing of the result aliases body.
func parseData(body []byte) (store.Data, error) {
	text := string(bytes.Trim(body, jsonSpace))
	if text[0] != '{' {
		return nil, invalidValue("d must be an object")
	}
	var d store.Data
	place := places{}
	// text is valid JSON: only where its parts end is left to find out.
	for pos := skipSpace(text, 1); text[pos] == '"'; {
		end := stringEnd(text, pos)
		key := canonicalKey(text[pos:end])
		pos = skipSpace(text, skipSpace(text, end)+1) // over the colon
		end = valueEnd(text, pos)
		f := store.Field{Key: key, Value: text[pos:end]}
		if i, twice := place.of(d, key); twice {
			d[i].Value = f.Value
		} else {
			d = append(d, f)
		}
		if pos = skipSpace(text, end); text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	for _, f := range d {
		if f.Value[0] == '{' || f.Value[0] == '[' {
			return nil, invalidValue("d." + decodeKey(f.Key) + " has a forbidden type. Only strings, numbers, boolean and null are allowed.")
		}
	}
	return d, nil
}

// places finds keys in a Data: by looking at each while they are few, by a map
// from then on.
type places map[string]int

func (p *places) of(d store.Data, key string) (int, bool) {
	const few = 16
	if len(d) <= few {
		for i := range d {
			if d[i].Key == key {
				return i, true
			}
		}
		return 0, false
	}
	for i := len(*p); i < len(d); i++ {
		(*p)[d[i].Key] = i
	}
	i, ok := (*p)[key]
	return i, ok
}

const jsonSpace = " \t\r\n"

func skipSpace(text string, pos int) int {
	for strings.IndexByte(jsonSpace, text[pos]) >= 0 {
		pos++
	}
	return pos
}

// stringEnd returns the index after the string that starts at text[pos].
func stringEnd(text string, pos int) int {
	for i := pos + 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns the index after the value that starts at text[pos].
func valueEnd(text string, pos int) int {
	switch text[pos] {
	case '"':
		return stringEnd(text, pos)
	case '{', '[':
		depth := 0
		for i := pos; ; {
			switch text[i] {
			case '"':
				i = stringEnd(text, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	default:
		return pos + strings.IndexAny(text[pos:], ",}"+jsonSpace)
	}
}

// canonicalKey returns a JSON string, quotes included, in JSON.stringify's
// spelling. Surrogates come in pairs, see checkJSON.
func canonicalKey(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw // what needs an escape is not valid without one
	}
	b := make([]byte, 0, len(raw))
	b = append(b, '"')
	for i := 1; i < len(raw)-1; i++ {
		if raw[i] != '\\' {
			b = append(b, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'u':
			unit := hex4(raw[i+1:])
			i += 4
			switch {
			case unit < utf8.RuneSelf:
				b = appendCharacter(b, byte(unit))
			case unit < 0xD800 || unit > 0xDFFF:
				b = utf8.AppendRune(b, unit)
			default: // the other half follows
				b = utf8.AppendRune(b, 0x10000+(unit-0xD800)<<10+(hex4(raw[i+3:])-0xDC00))
				i += 6
			}
		case '/':
			b = append(b, '/')
		default: // one of "\bfnrt, whose escapes have one spelling
			b = append(b, '\\', raw[i])
		}
	}
	return string(append(b, '"'))
}

// appendCharacter appends an ASCII character, escaped if it needs to be.
func appendCharacter(b []byte, c byte) []byte {
	if c < ' ' || c == '"' || c == '\\' {
		return appendEscape(b, c)
	}
	return append(b, c)
}

// hex4 returns the number that the first four hex digits of s spell.
func hex4(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16)
	return rune(n)
}

// decodeKey returns the text of a key, for a message.
func decodeKey(key string) string {
	var text string
	if err := json.Unmarshal([]byte(key), &text); err != nil {
		return key
	}
	return text
}

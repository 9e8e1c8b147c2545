package handlers

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-json"

	"rest-sessions/internal/jsontext"
)

// What follows finds its way in a text that is valid JSON.

const jsonSpace = " \t\r\n"

func skipSpace(text string, pos int) int {
	for strings.IndexByte(jsonSpace, text[pos]) >= 0 {
		pos++
	}
	return pos
}

// valueAt returns the value that starts at text[pos], in an object, without white
// space between its tokens; the index after it; and how many arrays and objects in it
// hold each other.
func valueAt(text string, pos int) (value string, end, depth int) {
	switch text[pos] {
	case '"':
		end = jsontext.StringEnd(text, pos)
	case '{', '[':
		return nestedAt(text, pos)
	default:
		end = pos + strings.IndexAny(text[pos:], ",}"+jsonSpace)
	}
	return text[pos:end], end, 0
}

// nestedAt is valueAt for an array or an object.
func nestedAt(text string, start int) (value string, end, depth int) {
	var compact []byte // what was before copied, once there was white space
	copied, open := start, 0
	for pos := start; ; {
		switch text[pos] {
		case '"':
			pos = jsontext.StringEnd(text, pos)
			continue
		case ' ', '\t', '\r', '\n':
			compact = append(compact, text[copied:pos]...)
			pos = skipSpace(text, pos)
			copied = pos
			continue
		case '{', '[':
			open++
			depth = max(depth, open)
		case '}', ']':
			if open--; open > 0 {
				break
			}
			end = pos + 1
			if compact == nil {
				return text[start:end], end, depth
			}
			return string(append(compact, text[copied:end]...)), end, depth
		}
		pos++
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

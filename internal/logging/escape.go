package logging

import (
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendText appends text for a log line in which values stand between spaces or
// quotes: what could end the line, end the quotes or steer the terminal or the eye
// (controls, also U+0080 to U+009F, line separators, marks of direction), and what is
// no UTF-8, becomes \xNN a byte.
func AppendText(b, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) || r == '"' || r == '\\' {
			for _, c := range text[:size] {
				b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			}
		} else {
			b = append(b, text[:size]...)
		}
		text = text[size:]
	}
	return b
}

// appendMessage appends a message in words: what cannot be printed is escaped as Go
// escapes it, quotes stay.
func appendMessage(b []byte, text string) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			b = append(b, '\\', 'x', hexDigits[text[0]>>4], hexDigits[text[0]&15])
		} else if !strconv.IsPrint(r) {
			quoted := strconv.QuoteRune(r)
			b = append(b, quoted[1:len(quoted)-1]...)
		} else {
			b = append(b, text[:size]...)
		}
		text = text[size:]
	}
	return b
}

// AppendJSON appends a JSON text with every character outside ASCII that cannot be
// printed as \uNNNN. In JSON such a character stands only within a string.
func AppendJSON(b, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r < utf8.RuneSelf && r != 0x7f || strconv.IsPrint(r) {
			b = append(b, text[:size]...)
		} else if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			b = appendUnit(appendUnit(b, high), low)
		} else {
			b = appendUnit(b, r)
		}
		text = text[size:]
	}
	return b
}

func appendUnit(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// escaper passes JSON lines on through AppendJSON.
type escaper struct{ out io.Writer }

func (e escaper) Write(line []byte) (int, error) {
	if _, err := e.out.Write(AppendJSON(make([]byte, 0, len(line)), line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

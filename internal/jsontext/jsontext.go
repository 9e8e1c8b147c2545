// Package jsontext finds where the parts of a JSON text end, without decoding it.
package jsontext

// ValueEnd returns the index after the JSON value that starts at text[pos], or -1 if
// it does not end. Of one that is no string, array or object, that is the end of a run
// of anything that a number, true, false or null has.
func ValueEnd(text string, pos int) int {
	if pos >= len(text) {
		return -1
	}
	switch text[pos] {
	case '"':
		return StringEnd(text, pos)
	case '[', '{':
		return nestedEnd(text, pos)
	}
	for pos < len(text) && isScalar(text[pos]) {
		pos++
	}
	return pos
}

// nestedEnd returns the index after the array or object that starts at text[pos], or
// -1 if it does not end.
func nestedEnd(text string, pos int) int {
	depth := 0
	for pos < len(text) {
		switch text[pos] {
		case '"':
			if pos = StringEnd(text, pos); pos < 0 {
				return -1
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return pos + 1
			}
		}
		pos++
	}
	return -1
}

// isScalar reports whether c can stand in a number, true, false or null.
func isScalar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '+' || c == '-'
}

// StringEnd returns the index after the JSON string that starts at text[pos],
// or -1 if none does or it does not end.
func StringEnd(text string, pos int) int {
	if pos >= len(text) || text[pos] != '"' {
		return -1
	}
	for i := pos + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

package store

import "strings"

// Field is one key and its new value in a Data.
type Field struct {
	// Key is the key as a JSON string, quotes included, in the spelling of
	// JSON.stringify, so that equal keys are equal texts.
	Key string
	// Value is the raw text of a JSON string, number, boolean or null, without
	// white space around it. Null removes the key.
	Value string
}

// Data is a change to a session's data: fields in the order they were sent, no
// key twice.
type Data []Field

const null = "null"

// Null reports whether the field removes its key.
func (f Field) Null() bool { return f.Value == null }

// Merge applies d to stored, the text of a flat JSON object without white space
// or "", and returns the new text, "" when no key is left. Keys keep their place
// and their text; new ones follow in the order of d. It reports false if stored
// is not of that form; what stands inside of strings and numbers is not looked at.
func (d Data) Merge(stored string) (string, bool) {
	var b strings.Builder
	size := len(stored) + 2
	for _, f := range d {
		size += len(f.Key) + len(f.Value) + 2
	}
	b.Grow(size)
	b.WriteByte('{')
	put := func(key, value string) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(key)
		b.WriteByte(':')
		b.WriteString(value)
	}

	done := make(map[string]bool, len(d)) // keys of d that stored had
	change := make(map[string]string, len(d))
	for _, f := range d {
		change[f.Key] = f.Value
	}
	ok := eachField(stored, func(key, value string) {
		if v, changed := change[key]; changed {
			if done[key] {
				return // stored had it twice: the last place goes
			}
			done[key] = true
			if value = v; value == null {
				return
			}
		}
		put(key, value)
	})
	if !ok {
		return "", false
	}
	for _, f := range d {
		if !f.Null() && !done[f.Key] {
			put(f.Key, f.Value)
		}
	}
	if b.Len() == 1 {
		return "", true
	}
	b.WriteByte('}')
	return b.String(), true
}

// eachField calls f for each key, quotes included, and raw value of the flat
// JSON object text, and reports whether text is one ("" is an empty one).
func eachField(text string, f func(key, value string)) bool {
	if text == "" || text == "{}" {
		return true
	}
	if text[0] != '{' {
		return false
	}
	for pos := 1; ; pos++ {
		end := stringEnd(text, pos)
		if end < 0 || end >= len(text) || text[end] != ':' {
			return false
		}
		key := text[pos:end]
		pos = end + 1
		if end = stringEnd(text, pos); end < 0 {
			for end = pos; end < len(text) && isScalar(text[end]); end++ {
			}
		}
		if end == pos || end >= len(text) {
			return false
		}
		f(key, text[pos:end])
		switch pos = end; {
		case text[pos] == '}':
			return pos == len(text)-1
		case text[pos] != ',':
			return false
		}
	}
}

// isScalar reports whether c can stand in a number, true, false or null.
func isScalar(c byte) bool { return isAlnum(c) || c == '.' || c == '+' || c == '-' }

// stringEnd returns the index after the JSON string that starts at text[pos],
// or -1 if none does or it does not end.
func stringEnd(text string, pos int) int {
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

// Text returns d as the text of a flat JSON object, nulls included.
func (d Data) Text() string {
	size := 2
	for _, f := range d {
		size += len(f.Key) + len(f.Value) + 2
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('{')
	for i, f := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f.Key)
		b.WriteByte(':')
		b.WriteString(f.Value)
	}
	b.WriteByte('}')
	return b.String()
}

package store

import (
	"strings"

	"rest-sessions/internal/jsontext"
	"rest-sessions/internal/rawio"
)

// Field is one key and its new value in a Data.
type Field struct {
	// Key is the key as a JSON string, quotes included, in the spelling of
	// JSON.stringify, so that equal keys are equal texts.
	Key string
	// Value is the raw text of any JSON value, without white space around it or
	// between its tokens. Null removes the key.
	Value string
}

// Data is a change to a session's data: fields in the order they were sent, no
// key twice.
type Data []Field

const null = "null"

// Null reports whether the field removes its key.
func (f Field) Null() bool { return f.Value == null }

// largeData is how many bytes are merged in far less than a millisecond.
const largeData = 16 << 10

// Merge applies d to stored, the text of a JSON object without white space or "", and
// returns the new text, "" when no key is left. A value is replaced whole. Keys keep
// their place and their text; new ones follow in the order of d. It reports false if
// stored is not of that form; what stands inside of values is not looked at.
func (d Data) Merge(stored string) (string, bool) {
	if len(stored) > largeData {
		rawio.MayTakeLong()
	}
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

// TooLarge reports whether a session's data may not become merged where it was stored
// and max bytes are the limit: data that is over it may shrink, or keep its size.
func TooLarge(stored, merged string, max int) bool {
	return len(merged) > max && len(merged) > len(stored)
}

// eachField calls f for each key, quotes included, and raw value of the JSON object
// text, and reports whether text is one without white space ("" is an empty one).
func eachField(text string, f func(key, value string)) bool {
	if text == "" || text == "{}" {
		return true
	}
	if text[0] != '{' {
		return false
	}
	for pos := 1; ; pos++ {
		end := jsontext.StringEnd(text, pos)
		if end < 0 || end >= len(text) || text[end] != ':' {
			return false
		}
		key := text[pos:end]
		pos = end + 1
		if end = jsontext.ValueEnd(text, pos); end <= pos || end >= len(text) {
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

// Text returns d as the text of a JSON object, nulls included.
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

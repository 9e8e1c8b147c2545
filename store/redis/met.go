package redis

import "rest-sessions/store"

// met is what a list has to know of the sessions in it, lest it holds one twice. One
// that is rotated while the list is read may be met under two tokens, but those begin
// alike.
type met struct {
	by    remembered
	heads map[[store.CursorTokenLen]byte]struct{} // of tokens
	// lost is told the tokens of which there is no session, if it is not nil.
	lost func(token string)
}

// remembered says which sessions a list remembers.
type remembered int

const (
	rotated  remembered = iota // those that have been rotated at some time
	everyone                   // all: a token may come twice
	nobody                     // none: each session has but one of the tokens
)

// again reports whether a session was met before. first is its first token, "" if
// that is token.
func (m *met) again(token, first string) bool {
	if m.by == nobody || first == "" && m.by == rotated {
		return false
	}
	var head [store.CursorTokenLen]byte
	copy(head[:], token)
	if first != "" {
		copy(head[:], first)
	}
	if _, again := m.heads[head]; again {
		return true
	}
	if m.heads == nil {
		m.heads = make(map[[store.CursorTokenLen]byte]struct{})
	}
	m.heads[head] = struct{}{}
	return false
}

package redis

import "rest-sessions/store"

// seenSet keeps a list from returning a session twice. A session that is rotated while
// the list is read may come under two tokens, but those begin alike.
type seenSet struct {
	by    remember
	heads map[[store.CursorTokenLen]byte]struct{} // of tokens
	// onMissing is called with each token that has no session, if it is not nil.
	onMissing func(token string)
}

// remember says which sessions a seenSet keeps.
type remember int

const (
	rotated  remember = iota // those that have been rotated at some time
	everyone                 // all: a token may come twice
	nobody                   // none: each session has but one of the tokens
)

// add adds a session and reports whether it was seen before. first is its first token,
// "" if that is token.
func (s *seenSet) add(token, first string) (seen bool) {
	if s.by == nobody || first == "" && s.by == rotated {
		return false
	}
	var head [store.CursorTokenLen]byte
	copy(head[:], token)
	if first != "" {
		copy(head[:], first)
	}
	if _, seen := s.heads[head]; seen {
		return true
	}
	if s.heads == nil {
		s.heads = make(map[[store.CursorTokenLen]byte]struct{})
	}
	s.heads[head] = struct{}{}
	return false
}

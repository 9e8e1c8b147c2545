package list

import (
	"bytes"
	"slices"

	"rest-sessions/store"
)

// tokenHead is what a cursor has of a token, packed. A rotation leaves it as it is.
type tokenHead [store.CursorTokenLen * 6 / 8]byte

func headOf(t store.PackedToken) tokenHead { return tokenHead(t[:len(tokenHead{})]) }

func (h tokenHead) compare(other tokenHead) int { return bytes.Compare(h[:], other[:]) }

// heads is a set of heads, in order.
type heads []tokenHead

// newHeads makes a set of list, which it changes.
func newHeads(list []tokenHead) heads {
	slices.SortFunc(list, tokenHead.compare)
	return slices.Compact(list)
}

// find returns the place of a token's head in the set, and whether it is there.
func (h heads) find(t store.PackedToken) (int, bool) {
	return slices.BinarySearchFunc(h, headOf(t), tokenHead.compare)
}

func (h heads) has(t store.PackedToken) bool {
	_, is := h.find(t)
	return is
}

// seenSet keeps a list from returning a session twice. A session that is rotated while
// the list is read may come under two tokens, but those begin alike.
type seenSet struct {
	by    remember
	heads map[[store.CursorTokenLen]byte]struct{} // of tokens, which may be invalid
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

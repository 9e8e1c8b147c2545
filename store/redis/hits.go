package redis

import (
	"bytes"
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strconv"

	"rest-sessions/store"
)

// hit is a session that belongs in a list: 56 bytes, without a pointer that the
// garbage collector would follow, since there may be millions.
type hit struct {
	la    int64
	token store.PackedToken
}

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

// hitLen is the length of a hit in a reply: la in 10 digits, then the token.
const hitLen = 10 + store.TokenLen

// appendHits appends the hits that stand back to back in text. What is no token
// names no session on any route, so it is left out.
func appendHits(hits []hit, text string) ([]hit, error) {
	for ; len(text) >= hitLen; text = text[hitLen:] {
		la, err := strconv.ParseUint(text[:10], 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errReply, err)
		}
		if token := text[10:hitLen]; store.ValidToken(token) {
			hits = append(hits, hit{int64(la), store.PackToken(token)})
		}
	}
	if text != "" {
		return nil, fmt.Errorf("%w: %d bytes of a session found", errReply, len(text))
	}
	return hits, nil
}

// compareHits compares by the order of the list: latest first and then by token,
// descending.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(b.la, a.la), bytes.Compare(b.token[:], a.token[:]))
}

// inOrder sorts hits and leaves out the session that walks met twice, be it under two
// tokens: one of its hits is of an activity at or after since.
func inOrder(hits []hit, since int64) []hit {
	slices.SortFunc(hits, compareHits)
	var active []tokenHead
	for i := 0; i < len(hits) && hits[i].la >= since; i++ {
		active = append(active, headOf(hits[i].token))
	}
	if len(active) == 0 {
		return hits
	}
	recent := newHeads(active)
	seen := make([]bool, len(recent))
	return slices.DeleteFunc(hits, func(h hit) bool {
		i, is := recent.find(h.token)
		if !is {
			return false
		}
		again := seen[i]
		seen[i] = true
		return again
	})
}

// hitLists is a heap of lists of hits, none of them empty, by their first ones. Taken
// one after the other they are a list in order.
type hitLists [][]hit

// newHitLists makes it of lists that are each in order.
func newHitLists(lists [][]hit) hitLists {
	h := hitLists(slices.DeleteFunc(lists, func(list []hit) bool { return len(list) == 0 }))
	heap.Init(&h)
	return h
}

// take takes the first hit off. There must be one.
func (h *hitLists) take() hit {
	lists := *h
	first := lists[0][0]
	if lists[0] = lists[0][1:]; len(lists[0]) > 0 {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h)
	}
	return first
}

func (h hitLists) Len() int           { return len(h) }
func (h hitLists) Less(i, j int) bool { return compareHits(h[i][0], h[j][0]) < 0 }
func (h hitLists) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hitLists) Push(x any)        { *h = append(*h, x.([]hit)) }
func (h *hitLists) Pop() any {
	last := len(*h) - 1
	list := (*h)[last]
	*h = slices.Delete(*h, last, last+1)
	return list
}

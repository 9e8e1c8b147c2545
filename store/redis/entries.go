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

// entry is a session of a list: 56 bytes, without a pointer that the garbage collector
// would follow, since there may be millions.
type entry struct {
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

// entryLen is the length of an entry in a reply: la in 10 digits, then the token.
const entryLen = 10 + store.TokenLen

// appendEntries appends the entries that stand back to back in text. What is no token
// names no session on any route, so it is left out.
func appendEntries(entries []entry, text string) ([]entry, error) {
	for ; len(text) >= entryLen; text = text[entryLen:] {
		la, err := strconv.ParseUint(text[:10], 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errReply, err)
		}
		if token := text[10:entryLen]; store.ValidToken(token) {
			entries = append(entries, entry{int64(la), store.PackToken(token)})
		}
	}
	if text != "" {
		return nil, fmt.Errorf("%w: %d bytes of a session found", errReply, len(text))
	}
	return entries, nil
}

// compareEntries compares by the order of the list: latest first and then by token,
// descending.
func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(b.la, a.la), bytes.Compare(b.token[:], a.token[:]))
}

// inOrder sorts entries and removes duplicates of a session that the scans of the index
// saw twice, also under two tokens: one of them is active at or after since.
func inOrder(entries []entry, since int64) []entry {
	slices.SortFunc(entries, compareEntries)
	var active []tokenHead
	for i := 0; i < len(entries) && entries[i].la >= since; i++ {
		active = append(active, headOf(entries[i].token))
	}
	if len(active) == 0 {
		return entries
	}
	recent := newHeads(active)
	seen := make([]bool, len(recent))
	return slices.DeleteFunc(entries, func(h entry) bool {
		i, is := recent.find(h.token)
		if !is {
			return false
		}
		again := seen[i]
		seen[i] = true
		return again
	})
}

// entryLists is a heap of lists of entries, none of them empty, by their first ones. Taken
// one after the other they are a list in order.
type entryLists [][]entry

// newEntryLists makes it of lists that are each in order.
func newEntryLists(lists [][]entry) entryLists {
	h := entryLists(slices.DeleteFunc(lists, func(list []entry) bool { return len(list) == 0 }))
	heap.Init(&h)
	return h
}

// take takes the first entry off. There must be one.
func (h *entryLists) take() entry {
	lists := *h
	first := lists[0][0]
	if lists[0] = lists[0][1:]; len(lists[0]) > 0 {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h)
	}
	return first
}

func (h entryLists) Len() int           { return len(h) }
func (h entryLists) Less(i, j int) bool { return compareEntries(h[i][0], h[j][0]) < 0 }
func (h entryLists) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryLists) Push(x any)        { *h = append(*h, x.([]entry)) }
func (h *entryLists) Pop() any {
	last := len(*h) - 1
	list := (*h)[last]
	*h = slices.Delete(*h, last, last+1)
	return list
}

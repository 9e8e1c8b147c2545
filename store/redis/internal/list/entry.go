package list

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/reply"
)

// Entry is a session of a list: 56 bytes, without a pointer that the garbage collector
// would follow, since there may be millions.
type Entry struct {
	LastActivity int64 // Unix seconds
	Token        store.PackedToken
}

// entryLen is the length of an entry in a reply: the last activity in 10 digits, then the
// token.
const entryLen = 10 + store.TokenLen

// AppendEntries appends the entries that stand back to back in text. What is no token
// names no session on any route, so it is left out.
func AppendEntries(entries []Entry, text string) ([]Entry, error) {
	for ; len(text) >= entryLen; text = text[entryLen:] {
		la, err := strconv.ParseUint(text[:10], 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", reply.ErrMalformed, err)
		}
		if token := text[10:entryLen]; store.ValidToken(token) {
			entries = append(entries, Entry{int64(la), store.PackToken(token)})
		}
	}
	if text != "" {
		return nil, fmt.Errorf("%w: %d bytes of an entry", reply.ErrMalformed, len(text))
	}
	return entries, nil
}

// LatestFirst is the order of an app's list: latest first, then by token, descending. Two
// tokens of one session are the same.
func LatestFirst(a, b Entry) int {
	return cmp.Or(cmp.Compare(b.LastActivity, a.LastActivity), headOf(b.Token).compare(headOf(a.Token)))
}

// inOrder sorts entries and removes duplicates of a session that the scans of the index
// found twice, also under two tokens: one of them is active at or after since.
func inOrder(entries []Entry, since int64) []Entry {
	slices.SortFunc(entries, LatestFirst)
	var active []tokenHead
	for i := 0; i < len(entries) && entries[i].LastActivity >= since; i++ {
		active = append(active, headOf(entries[i].Token))
	}
	if len(active) == 0 {
		return entries
	}
	recent := newHeads(active)
	seen := make([]bool, len(recent))
	return slices.DeleteFunc(entries, func(e Entry) bool {
		i, is := recent.find(e.Token)
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
type entryLists [][]Entry

// newEntryLists makes it of lists that are each in order.
func newEntryLists(lists [][]Entry) entryLists {
	h := entryLists(slices.DeleteFunc(lists, func(list []Entry) bool { return len(list) == 0 }))
	heap.Init(&h)
	return h
}

// take takes the first entry off. There must be one.
func (h *entryLists) take() Entry {
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
func (h entryLists) Less(i, j int) bool { return LatestFirst(h[i][0], h[j][0]) < 0 }
func (h entryLists) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryLists) Push(x any)        { *h = append(*h, x.([]Entry)) }
func (h *entryLists) Pop() any {
	last := len(*h) - 1
	list := (*h)[last]
	*h = slices.Delete(*h, last, last+1)
	return list
}

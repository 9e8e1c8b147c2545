package handlers

import "sync/atomic"

// DefaultMaxLists is how many lists may be in flight at once. One of 50,000 sessions takes
// some 6 MiB of the server's memory until its client has read it (docs/operations.md).
const DefaultMaxLists = 64

// listLimit bounds the lists in flight. Admission cannot: a list leaves it when its
// endpoint returns, and is streamed for as long as its client takes to read it.
type listLimit struct {
	max      int32
	inFlight atomic.Int32
}

// enter reports whether a list may begin. If it may, the caller calls leave once.
func (l *listLimit) enter() bool {
	if l.inFlight.Add(1) > l.max {
		l.inFlight.Add(-1)
		return false
	}
	return true
}

func (l *listLimit) leave() { l.inFlight.Add(-1) }

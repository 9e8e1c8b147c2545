package embedded

import (
	"slices"
	"sort"
)

// secondsChunk is the most entries in a chunk of an activityLog: 2 KiB.
const secondsChunk = 128

// activityLog counts users by the second of their last activity. Seconds that
// no user has are not kept, so it never has more entries than users.
//
// Its entries are sorted and cut in chunks with a sum each, so that Activity adds
// up a few dozen numbers a shard, and a user moving to the present second costs
// a search and a move of at most 2 KiB. Nearly all additions are at the end; a
// clock that steps back makes them go in the middle.
type activityLog struct {
	chunks []secondsOf
}

type secondsOf struct {
	entries []second // never empty
	users   int64    // the sum over entries
}

type second struct{ at, users int64 }

// since returns the number of users with a last activity at from or later.
func (l *activityLog) since(from int64) (users int64) {
	for i := len(l.chunks) - 1; i >= 0; i-- {
		c := &l.chunks[i]
		if c.entries[0].at >= from {
			users += c.users
			continue
		}
		for _, e := range c.entries[c.find(from):] {
			users += e.users
		}
		break
	}
	return users
}

// move takes a user from one second to another.
func (l *activityLog) move(from, to int64) {
	if from != to {
		l.add(to)
		l.remove(from)
	}
}

// add counts a user at a second.
func (l *activityLog) add(at int64) {
	if len(l.chunks) == 0 {
		l.chunks = []secondsOf{{entries: []second{{at, 1}}, users: 1}}
		return
	}
	n := l.chunk(at)
	c := &l.chunks[n]
	i := c.find(at)
	if i < len(c.entries) && c.entries[i].at == at {
		c.entries[i].users++
		c.users++
		return
	}
	if len(c.entries) == secondsChunk {
		// In the usual order of things the full chunk is the last one and stays
		// full; otherwise it is cut in halves.
		half := secondsChunk / 2
		if n == len(l.chunks)-1 && i == secondsChunk {
			half = secondsChunk
		}
		l.cut(n, half)
		if i >= half {
			n, i = n+1, i-half
		}
		c = &l.chunks[n]
	}
	c.entries = slices.Insert(c.entries, i, second{at, 1})
	c.users++
}

// cut moves the entries of chunk n from index half on to a new chunk after it,
// which may be empty until the caller adds to it.
func (l *activityLog) cut(n, half int) {
	c := &l.chunks[n]
	var tail secondsOf
	tail.entries = append(tail.entries, c.entries[half:]...)
	for _, e := range tail.entries {
		tail.users += e.users
	}
	c.entries = c.entries[:half]
	c.users -= tail.users
	l.chunks = slices.Insert(l.chunks, n+1, tail)
}

// remove takes away a user counted at a second.
func (l *activityLog) remove(at int64) {
	n := l.chunk(at)
	c := &l.chunks[n]
	i := c.find(at)
	c.users--
	if c.entries[i].users--; c.entries[i].users > 0 {
		return
	}
	c.entries = slices.Delete(c.entries, i, i+1)
	switch {
	case len(c.entries) == 0:
		l.drop(n)
	case len(c.entries) <= secondsChunk/4:
		// Users that linger in old seconds would keep a chunk each.
		if n+1 < len(l.chunks) {
			l.join(n)
		}
		if n > 0 {
			l.join(n - 1)
		}
	}
}

// join puts chunks n and n+1 together if they fill half a chunk at most.
func (l *activityLog) join(n int) {
	c, next := &l.chunks[n], &l.chunks[n+1]
	if size := len(c.entries) + len(next.entries); size <= secondsChunk/2 {
		// A new array, for the old one may be as long as a full chunk.
		c.entries = append(append(make([]second, 0, size), c.entries...), next.entries...)
		c.users += next.users
		l.drop(n + 1)
	}
}

func (l *activityLog) drop(n int) {
	if l.chunks = slices.Delete(l.chunks, n, n+1); len(l.chunks) == 0 {
		l.chunks = nil
	}
}

// chunk returns the index of the chunk that has the second at, or would have it.
func (l *activityLog) chunk(at int64) int {
	last := len(l.chunks) - 1
	if l.chunks[last].entries[0].at <= at {
		return last
	}
	return max(0, sort.Search(last, func(i int) bool { return l.chunks[i].entries[0].at > at })-1)
}

// find returns the index of the first entry that is not before at.
func (c *secondsOf) find(at int64) int {
	last := len(c.entries) - 1
	if c.entries[last].at <= at {
		if c.entries[last].at == at {
			return last
		}
		return last + 1
	}
	return sort.Search(last, func(i int) bool { return c.entries[i].at >= at })
}

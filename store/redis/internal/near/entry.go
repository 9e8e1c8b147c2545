package near

import (
	"sync/atomic"
	"time"

	"rest-sessions/store"
)

// entry is a session as Redis answered it once, and how often it was answered near since.
// All but state, first and next stay as they are. It answers while it is open, and never
// again after; its uncounted reads are taken once, by whoever brings them to Redis.
type entry struct {
	app   string
	token store.PackedToken
	// session is what the next read is answered, but for what has passed since: R with the
	// reads counted that Redis has counted.
	session store.Session
	lease   *lease
	// expires is when it no longer answers, by the clock of the cache.
	expires time.Duration
	// redis is Redis' clock when it answered, and second the whole seconds of it. ahead is
	// by how much Redis' clock is ahead of the cache's, or less.
	redis, ahead time.Duration
	second       int64
	end          int64 // as in Answer

	// state holds the bits below, then the uncounted reads, then the second of the latest
	// of them, from second on.
	state atomic.Uint64
	// first is when the first uncounted read came, by the cache's clock; next is the next
	// entry in the stack of those with uncounted reads.
	first time.Duration
	next  *entry
}

const (
	opened  = 1 << 63 // it answers
	dropped = 1 << 62 // it answers no more, and never will
	taken   = 1 << 61 // its uncounted reads are with whoever dropped it

	readShift  = 32
	readMask   = 1<<29 - 1
	secondMask = 1<<32 - 1
)

func uncounted(state uint64) uint32 { return uint32(state >> readShift & readMask) }

// Late are reads that Redis has not counted yet.
type Late struct {
	Reads uint32
	// At is the second of the latest of them by Redis' clock, or one less.
	At int64
}

// read answers a read at now, unless the entry is not open. first says that it is the
// first that is not counted.
func (e *entry) read(now time.Duration) (session store.Session, first, ok bool) {
	second := uint64(max(0, int64((now+e.ahead)/time.Second)-e.second))
	for {
		old := e.state.Load()
		if old&opened == 0 {
			return store.Session{}, false, false
		}
		reads, latest := old>>readShift&readMask, old&secondMask
		if e.state.CompareAndSwap(old, opened|(reads+1)<<readShift|max(latest, second)) {
			session = e.session
			session.R += int64(reads)
			if second > latest {
				session.Idle = int64(second - latest)
			}
			if session.NoResave {
				session.TTL -= int64(second)
			}
			session.Expires = e.second + int64(second) + session.TTL
			if e.end > 0 {
				session.Expires = min(session.Expires, e.end)
			}
			return session, reads == 0, true
		}
	}
}

// carry gives a new entry reads that were answered before by another.
func (e *entry) carry(before Late) {
	e.state.Store(uint64(before.Reads)<<readShift | uint64(max(0, before.At-e.second)))
}

// open lets a new entry answer, unless it was dropped meanwhile.
func (e *entry) open() bool {
	old := e.state.Load()
	return old&dropped == 0 && e.state.CompareAndSwap(old, old|opened)
}

// drop ends its answers. Its uncounted reads stay with it; it returns how many they are.
func (e *entry) drop() int64 {
	for {
		old := e.state.Load()
		if e.state.CompareAndSwap(old, old&^opened|dropped) {
			if old&taken != 0 {
				return 0
			}
			return int64(uncounted(old))
		}
	}
}

// take ends its answers, and returns its uncounted reads, once.
func (e *entry) take() (Late, bool) {
	for {
		old := e.state.Load()
		if old&taken != 0 {
			return Late{}, false
		}
		if e.state.CompareAndSwap(old, old&^opened|dropped|taken) {
			reads := uncounted(old)
			return Late{reads, e.second + int64(old&secondMask)}, reads > 0
		}
	}
}

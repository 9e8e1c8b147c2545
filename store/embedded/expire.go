package embedded

import (
	"context"
	"runtime"
)

// removeStep is how many sessions are removed while a shard's lock is held. One
// takes about a microsecond when nothing of it is in the CPU's caches.
const removeStep = 64

// timer says when to check whether a session may be wiped. A shard's timers are a binary
// heap, earliest first. Activity does not move a timer: the wiper moves it when it is due.
// So Get never touches the heap, and the wiper checks a session in use about once per ttl.
// The time is in two halves, which makes a timer 12 bytes, not 16.
type timer struct{ high, low, slot uint32 }

func timerFor(slot uint32, at int64) timer {
	return timer{uint32(uint64(at) >> 32), uint32(at), slot}
}

// at returns the time in Unix seconds.
func (t timer) at() int64 { return int64(uint64(t.high)<<32 | uint64(t.low)) }

func (sh *shard) arm(slot uint32, at int64) {
	sh.timers.push(timer{})
	sh.rise(sh.timers.n-1, timerFor(slot, at))
}

// rearm puts a session's timer to when it may be wiped, if that is earlier now. (If it
// is later, the wiper does.)
func (sh *shard) rearm(slot uint32) {
	rec := sh.sessions.at(slot)
	if at := rec.wipeAt(); at < sh.timers.at(int(rec.timerPos)).at() {
		sh.rise(int(rec.timerPos), timerFor(slot, at))
	}
}

// disarm removes the timer at index i.
func (sh *shard) disarm(i uint32) {
	last := sh.timers.pop()
	if int(i) == sh.timers.n {
		return
	}
	if last.at() < sh.timers.at(int(i)).at() {
		sh.rise(int(i), last)
	} else {
		sh.sink(int(i), last)
	}
}

// rise puts t at index i or above.
func (sh *shard) rise(i int, t timer) {
	for i > 0 {
		parent := (i - 1) / 2
		p := *sh.timers.at(parent)
		if p.at() <= t.at() {
			break
		}
		sh.place(i, p)
		i = parent
	}
	sh.place(i, t)
}

// sink puts t at index i or below.
func (sh *shard) sink(i int, t timer) {
	for {
		child := 2*i + 1
		if child >= sh.timers.n {
			break
		}
		c := *sh.timers.at(child)
		if right := child + 1; right < sh.timers.n {
			if r := *sh.timers.at(right); r.at() < c.at() {
				child, c = right, r
			}
		}
		if t.at() <= c.at() {
			break
		}
		sh.place(i, c)
		i = child
	}
	sh.place(i, t)
}

func (sh *shard) place(i int, t timer) {
	*sh.timers.at(i) = t
	sh.sessions.at(t.slot).timerPos = uint32(i)
}

// wipe looks at the sessions whose timers are due at now, at most limit of them,
// and returns how many it looked at and how many of these it removed.
func (sh *shard) wipe(now int64, limit int) (looked int, removed int64) {
	for looked < limit && sh.timers.n > 0 {
		t := *sh.timers.at(0)
		if t.at() > now {
			break
		}
		looked++
		if at := sh.sessions.at(t.slot).wipeAt(); at > now {
			sh.sink(0, timerFor(t.slot, at))
		} else {
			sh.remove(t.slot)
			removed++
		}
	}
	return looked, removed
}

// Wipe frees the sessions that may be wiped by store.WipeAt. It goes by the time
// at which it starts. On an error, some have been removed, and it says how many.
//
// It does not wait for the disk, and ignores one that fails: a record that is loaded again
// is still expired.
func (s *Store) Wipe(ctx context.Context) (int64, error) {
	now := s.now()
	var total int64
	for i := range s.shards {
		sh := &s.shards[i]
		for looked := removeStep; looked == removeStep; {
			if err := ended(ctx); err != nil {
				return total, err
			}
			var removed int64
			sh.mu.Lock()
			forgotten := sh.forget(now, removeStep)
			looked, removed = sh.wipe(now, removeStep)
			sh.unlock()
			s.drain(ctx)
			looked = max(looked, forgotten)
			total += removed
			if looked == removeStep {
				yield()
			}
		}
	}
	return total, nil
}

// yield lets whoever waits for the lock that was just released have it. Without
// it, a loop over one shard takes the lock again first, and a waiter gets it
// only after the millisecond that sync.Mutex calls starvation.
func yield() { runtime.Gosched() }

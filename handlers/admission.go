package handlers

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMaxInFlight is how many requests may be on their way to the store at once. It
// bounds memory, and how long a store that slows down can keep clients waiting until
// the limit has followed: 512 are 25 ms at 20,000 requests a second. A burst of as many
// is served, and so are 25,000 requests a second from a Redis that is 20 ms away.
const DefaultMaxInFlight = 512

const (
	// admissionWindow is how long answers are watched before the limit may change. Under
	// any load that can queue up it holds enough of them, and it is short against what a
	// person notices.
	admissionWindow = 25 * time.Millisecond
	// slowest is what the fastest answer of a window may take in any case. It is CoDel's
	// target (RFC 8289, 4.3).
	slowest = 5 * time.Millisecond
	// meantFactor is what the fastest answer may take, as a multiple of what it took in a
	// trial, where that is more than slowest.
	meantFactor = 1.25
	// suspectShare is the share of max that must be in flight before anything but max is
	// thought of: as many clients that each wait for an answer before they ask again can
	// be served in their own time, and a no would be an error to each.
	suspectShare = 2
	// leastInFlight is let in always.
	leastInFlight = 16
	// keptRate is the share of the answers that must be left with a lower limit.
	keptRate = 0.5
	// growth is how the limit grows in a window when answers are not slow: from
	// leastInFlight, by one.
	growth = 1.07
	// forgetting is how what is meant comes down again, a window, when answers take less:
	// to a half in 12 s.
	forgetting = 0.9986
)

// admission bounds the requests that are on their way to the store at once: to max, and
// to less when they stand in a queue.
//
// It suspects a queue as CoDel does: not when an answer is slow, which one list or one
// pause can make, but when for a window none was fast, with many in flight. Then it tries to let in as many
// as the store has been answering within the time that is meant (Little's law: in flight =
// rate x time). If not many fewer are answered then, there was a queue: it is kept short, so
// that those who are let in wait no longer than is meant, and all others hear at once that
// they should come back. Else the limit goes back to max: the store is far away, or the
// processors are busy, with other programs or with saying no, which costs half of what an
// answer does. What an answer took meanwhile, with few in flight, says what can be meant
// from now on.
//
// Requests that take as long as there are sessions to remove, long ones, are counted by
// themselves, up to max: they would be a queue that nobody waits in.
type admission struct {
	max      int32
	limit    atomic.Int32 // of short
	inFlight atomic.Int32 // short
	long     atomic.Int32

	// The window that is on: its end, and what was answered in it.
	end      atomic.Int64 // ns since epoch
	fastest  atomic.Int64 // ns
	answered atomic.Int64

	mu    sync.Mutex // of what follows
	begin int64      // of the window
	phase phase
	meant float64 // ns that the fastest answer of a window may take
	rate  float64 // answers a ns, before the limit was lowered
}

// phase is what an admission is about.
type phase int

const (
	open     phase = iota // the limit is max
	shedding              // it is lower, and keeps a queue short, if there was one
)

// queue is what a request has entered.
type queue int

const (
	nowhere queue = iota // it does not ask the store
	short
	long
)

// epoch is what times are counted from: numbers fit an atomic, a time.Time does not.
var epoch = time.Now()

func newAdmission(most int) *admission {
	a := &admission{max: int32(most), meant: float64(slowest)}
	a.limit.Store(a.max)
	a.fastest.Store(unknown)
	return a
}

// unknown is the fastest answer's time before there is one: more than any, and exact as
// a float64.
const unknown = 1 << 62

// enter lets a request in or says no.
func (a *admission) enter(to queue) bool {
	switch to {
	case short:
		if a.inFlight.Add(1) > a.limit.Load() {
			a.inFlight.Add(-1)
			return false
		}
	case long:
		if a.long.Add(1) > a.max {
			a.long.Add(-1)
			return false
		}
	}
	return true
}

// leave ends a request that was let in. took is how long the store's answer took, or 0 if
// it gave none: to a request that was wrong, or in an outage.
func (a *admission) leave(from queue, now time.Time, took time.Duration) {
	if from == long {
		a.long.Add(-1)
	}
	if from != short {
		return
	}
	inFlight := a.inFlight.Add(-1) + 1
	at := int64(now.Sub(epoch))
	if took <= 0 {
		return
	}
	for {
		least := a.fastest.Load()
		if int64(took) >= least || a.fastest.CompareAndSwap(least, int64(took)) {
			break
		}
	}
	a.answered.Add(1)
	if at >= a.end.Load() && a.mu.TryLock() {
		if at >= a.end.Load() {
			a.turn(at, inFlight)
		}
		a.mu.Unlock()
	}
}

// turn ends a window and begins the next. mu is held.
func (a *admission) turn(at int64, inFlight int32) {
	fastest, answered := float64(a.fastest.Swap(unknown)), float64(a.answered.Swap(0))
	lasted := at - a.begin
	rate := answered / float64(lasted)
	a.begin = at
	a.end.Store(at + int64(admissionWindow))
	if lasted > 2*int64(admissionWindow) {
		// For a while nothing was answered: nobody asked, or the store stood still. Now is
		// another time.
		a.reopen()
		return
	}
	switch a.phase {
	case open:
		if fastest <= a.meant || inFlight <= a.max/suspectShare {
			a.meant = max(float64(slowest), min(a.meant, meantFactor*fastest), a.meant*forgetting)
			return
		}
		a.phase, a.rate = shedding, rate
		a.let(rate * a.meant)
	case shedding:
		switch {
		case rate < keptRate*a.rate:
			a.meant = max(a.meant, meantFactor*fastest)
			a.reopen()
		case fastest > a.meant:
			a.let(rate * a.meant)
		default:
			a.let(float64(a.limit.Load()) * growth)
			if a.limit.Load() == a.max {
				a.reopen()
			}
		}
	}
}

// reopen lets all in again, up to max.
func (a *admission) reopen() {
	a.phase = open
	a.limit.Store(a.max)
}

// let sets the limit.
func (a *admission) let(limit float64) {
	a.limit.Store(int32(min(float64(a.max), max(leastInFlight, limit))))
}

// Package admission bounds how many requests ask the store at once, so that in an overload
// those that are let in need not wait. It knows no routes and no HTTP.
package admission

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMax is how many requests may be in flight to the store at once: those that arrive
// in 100 ms at 20,000/s. So a store that pauses for 100 ms, for a fork or a collection,
// causes no error. It also bounds memory.
const DefaultMax = 2048

const (
	// max/freeShare is how many may be in flight before any is rejected, 512 of the
	// default, however slow they are. So as many clients that each wait for their answer
	// are never rejected.
	freeShare = 4
	// slowest is what the fastest answer of a window may take in any case. It is CoDel's
	// target (RFC 8289, 4.3).
	slowest = 5 * time.Millisecond
	// meantFactor is what the fastest answer may take, as a multiple of what it took
	// without a queue, where that is more than slowest.
	meantFactor = 1.25

	// window is how long answers are watched before anything may change. Under
	// any load that can queue up it holds enough of them.
	window = 25 * time.Millisecond
	// standingWindows is for how many more of them a queue stands before it is one: 200 ms,
	// twice CoDel's interval.
	standingWindows = 8
	// standingLoss is the share of a queue that must be gone by then for it to be left
	// alone. Chance makes 1% or 2% of difference.
	standingLoss = 1.0 / 16
	// trialWindows is how long a trial lasts from when its limit holds. The first one's
	// answers still come from the queue before it, and are not counted.
	trialWindows = 3
	// lingering is how long a limit is in force that refuses nobody.
	lingering = 250 * time.Millisecond
	// remembering is how long what an answer took without a queue is remembered at least,
	// and half of how long at most.
	remembering = 5 * time.Second

	// leastInFlight is let in always: reads that share a script call are some.
	leastInFlight = 24
	// keptRate is the share of the answers that must be left with a lower limit.
	keptRate = 0.5
	// meanTime is over how long the rate is a mean while there is a limit, and longMean what
	// it must not fall far below: a pause of 100 ms leaves it three quarters.
	meanTime = 400 * time.Millisecond
	longMean = 5 * time.Second
)

// Controller bounds the requests in flight to the store: to max, and to less while they
// queue. It looks for a queue as CoDel does: many in flight, and none answered fast for
// 200 ms. A trial with fewer in flight (Little's law: rate x time) shows whether there is
// one; docs/operations.md has the rules. Long requests are counted separately, up to max.
// It is safe for concurrent use.
type Controller struct {
	max      int32
	limit    atomic.Int32 // of short
	inFlight atomic.Int32 // short
	long     atomic.Int32

	// The window that is on: its end, what was answered in it, and whether any was refused.
	end      atomic.Int64 // ns since epoch
	fastest  atomic.Int64 // ns
	answered atomic.Int64
	refused  atomic.Bool

	mu      sync.Mutex // of what follows
	begin   int64      // of the window
	phase   phase
	windows int     // of the phase: with a queue, if open; with the limit holding, of a trial
	stood   int32   // in flight when the queue was first seen
	rate    float64 // answers a ns, a mean
	most    float64 // of it since before the limit
	kept    float64 // of it with the limit, a longer mean
	least   float64 // ns that an answer took in a trial
	refusal int64   // when one was refused last
	base    base
}

// phase is what a Controller is about.
type phase int

const (
	open     phase = iota // the limit is max
	trial                 // it is lower, to see whether there is a queue
	shedding              // it keeps one short
)

// Queue is what a request has entered.
type Queue int

const (
	None  Queue = iota // it does not ask the store
	Short              // it takes a round trip, or is a list
	Long               // it takes as long as there are sessions to remove
)

// epoch is what times are counted from: numbers fit an atomic, a time.Time does not.
var epoch = time.Now()

// New returns a Controller that lets in at most so many requests of each queue.
func New(most int) *Controller {
	a := &Controller{max: int32(most)}
	a.limit.Store(a.max)
	a.fastest.Store(unknown)
	return a
}

// unknown is the fastest answer's time before there is one: more than any, and exact as
// a float64.
const unknown = 1 << 62

// Enter lets a request that came at now in or says no.
func (a *Controller) Enter(to Queue, now time.Time) bool {
	switch to {
	case Short:
		if a.inFlight.Add(1) > a.limit.Load() && !a.outlived(now) {
			a.inFlight.Add(-1)
			if !a.refused.Load() {
				a.refused.Store(true)
			}
			return false
		}
	case Long:
		if a.long.Add(1) > a.max {
			a.long.Add(-1)
			return false
		}
	}
	return true
}

// Limit is how many requests are let in now.
func (a *Controller) Limit() int { return int(a.limit.Load()) }

// outlived reports whether the limit was one of another time, since when nothing has been
// answered, and the request is within max.
func (a *Controller) outlived(now time.Time) bool {
	if a.limit.Load() == a.max || int64(now.Sub(epoch))-a.end.Load() < int64(lingering) || !a.mu.TryLock() {
		return false
	}
	defer a.mu.Unlock()
	a.reopen()
	return a.inFlight.Load() <= a.max
}

// Leave ends a request that was let in. took is how long the store's answer took, or 0 if
// it gave none: to a request that was wrong, or in an outage.
func (a *Controller) Leave(from Queue, now time.Time, took time.Duration) {
	if from == Long {
		a.long.Add(-1)
	}
	if from != Short {
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
func (a *Controller) turn(at int64, inFlight int32) {
	fastest, answered := float64(a.fastest.Swap(unknown)), float64(a.answered.Swap(0))
	refused := a.refused.Swap(false)
	lasted := at - a.begin
	rate := answered / float64(lasted)
	a.begin = at
	a.end.Store(at + int64(window))
	switch {
	case lasted > int64(lingering):
		a.reopen() // that was another time
	case a.phase == trial:
		a.try(at, inFlight, fastest, rate)
	case a.phase == shedding:
		a.shed(at, refused, rate, float64(lasted))
	case lasted <= 2*int64(window): // else the store, or this process, stood still
		a.lookForQueue(at, inFlight, fastest, rate)
	}
}

// lookForQueue looks for a queue and begins a trial if there may be one.
func (a *Controller) lookForQueue(at int64, inFlight int32, fastest, rate float64) {
	if inFlight <= a.max/freeShare {
		a.base.note(at, fastest)
		a.windows = 0
		return
	}
	if fastest <= a.meant() {
		a.windows = 0
		return
	}
	if a.windows == 0 {
		a.stood, a.rate = inFlight, 0
	}
	a.windows++
	a.rate += (rate - a.rate) / float64(a.windows)
	if a.windows <= standingWindows {
		return
	}
	a.windows = 0
	if float64(inFlight) > (1-standingLoss)*float64(a.stood) {
		a.phase, a.most = trial, a.rate
		a.let(a.rate * a.meant())
	}
}

// try ends a trial when its limit has held for long enough.
func (a *Controller) try(at int64, inFlight int32, fastest, rate float64) {
	if a.windows == 0 {
		if float64(inFlight) <= (1+standingLoss)*float64(a.limit.Load()) {
			a.windows, a.rate, a.least = 1, 0, unknown
		}
		return
	}
	// The least, so that a pause in the trial does not pass for a store that is far away.
	a.least = min(a.least, fastest)
	a.rate += (rate - a.rate) / float64(a.windows)
	if a.windows++; a.windows < trialWindows {
		return
	}
	if a.rate < keptRate*a.most {
		a.base.set(at, a.least)
		a.reopen()
		return
	}
	a.phase, a.refusal, a.kept = shedding, at, a.rate
}

// shed lets the limit follow the most that the store has been answering, not what it does
// now: a limit that itself lowers that would go down and down.
func (a *Controller) shed(at int64, refused bool, rate, lasted float64) {
	if refused {
		a.refusal = at
	}
	a.rate += (rate - a.rate) * min(1, lasted/float64(meanTime))
	a.kept += (rate - a.kept) * min(1, lasted/float64(longMean))
	a.most = max(a.most, a.rate)
	if at-a.refusal > int64(lingering) || a.rate < keptRate*a.kept {
		// Nobody needs it, or the store is slower, or farther, than it was.
		a.reopen()
		return
	}
	a.let(a.most * a.meant())
}

// reopen lets all in again, up to max.
func (a *Controller) reopen() {
	a.phase, a.windows = open, 0
	a.limit.Store(a.max)
}

// let sets the limit.
func (a *Controller) let(limit float64) {
	a.limit.Store(int32(min(float64(a.max), max(leastInFlight, limit))))
}

// meant is what the fastest answer of a window may take, in ns.
func (a *Controller) meant() float64 { return max(float64(slowest), meantFactor*a.base.fastest()) }

// base remembers what the fastest answers took lately when there was no queue, in ns.
type base struct {
	begin       int64 // of now
	now, before float64
}

func (b *base) note(at int64, took float64) {
	if at-b.begin > int64(remembering) {
		b.begin, b.before, b.now = at, b.now, took
		return
	}
	b.now = min(b.now, took)
}

// set forgets all but this.
func (b *base) set(at int64, took float64) { b.begin, b.before, b.now = at, took, took }

func (b *base) fastest() float64 { return min(b.before, b.now) }

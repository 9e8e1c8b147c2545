package wire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"rest-sessions/store"
)

const (
	// maxBatches is how many batches of a Batcher may be in flight. With two, Redis
	// works on one while the reply of the other is read.
	maxBatches = 2
	// secondBatch is how many must wait before a second batch is sent while one is in
	// flight: each costs both sides some 15 us, whatever it carries, so a small one
	// costs more than it saves. (16, 32 and 64 measured alike with 64 clients.)
	secondBatch = 64
	// expiryTicks is how many times in a timeout the waiters are looked at.
	expiryTicks = 20
)

// Batcher sends the calls of many callers in shared batches, each one write to a
// connection of its own. While no batch is in flight, a caller carries its call at once,
// alone, in its own goroutine. When a batch is back, one of those who came meanwhile is
// woken to carry the next. There is no timer, so an idle server adds no delay. T is what
// a caller waits for, P what a batch needs for itself.
type Batcher[T Waiter, P any] struct {
	most    func() int         // how many calls a batch may carry, at least 1
	send    func(*Batch[T, P]) // sends a batch and waits for the reply
	answer  func(*Batch[T, P]) // fills in each waiter's answer from the reply
	timeout time.Duration      // the longest wait of a caller
	health  *health

	mu       sync.Mutex
	waiting  []T            // in the order of their ticks
	delayed  []T            // those to be sent again, after a pause
	starting bool           // whether somebody is about to take a batch
	inFlight []*Batch[T, P] // at most maxBatches
	expiring bool           // whether expire runs
	// tick counts while somebody waits, expiryTicks in a timeout. Callers take
	// their time by it: to ask the clock costs more than the rest of a join.
	tick   uint32
	ticked time.Time // when it last did

	free sync.Pool // of *Batch[T, P]
}

// NewBatcher makes a Batcher for calls of a client. most returns how many calls a batch
// may carry; send sends one and waits for the reply; answer fills in the answers.
func NewBatcher[T Waiter, P any](c *Client, most func() int, send, answer func(*Batch[T, P])) *Batcher[T, P] {
	return &Batcher[T, P]{most: most, send: send, answer: answer, timeout: c.timeout, health: c.health}
}

// Batch is what one round trip carries. Its waiters do not change while it is in flight.
type Batch[T Waiter, P any] struct {
	Waiters []T
	Payload P
	// InUse is set by send if rueidis may still read what was sent, since no reply
	// came: then the payload must not be used again.
	InUse bool

	context *batchContext
}

// Context is that of the batch's calls. It ends when the last of the waiters gives up.
func (b *Batch[T, P]) Context() context.Context {
	if b.context == nil { // of a test
		return context.Background()
	}
	return b.context
}

// Do sends q with the next batch and waits for its answer. If the error is nil, the
// answer is filled in and q is the caller's again; else q must not be used again.
func (b *Batcher[T, P]) Do(ctx context.Context, q T) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if err := b.health.refused(); err != nil {
		return err
	}
	w := q.wait()
	w.state.Store(waiting)
	end := ctx.Done()
	w.mayCarry = end == nil
	b.mu.Lock()
	w.since = b.tick
	b.waiting = append(b.waiting, q)
	carrier := b.start()
	if carrier != w {
		b.watch()
	}
	b.mu.Unlock()
	if carrier == w {
		w.carries = false
		b.carryNext(w)
	} else {
		carrier.carry()
	}
	for {
		if end == nil {
			<-w.done // a third of the cost of a select
		} else {
			select {
			case <-w.done:
			case <-end:
				w.finish(expired)
				<-w.done
			}
		}
		if !w.carries {
			break
		}
		w.carries = false
		b.next(w)
	}
	if w.state.Load() == expired {
		return errNoAnswer
	}
	return nil
}

// start returns who is to carry the next batch, if one may be sent, else nil. mu is held.
// It is the youngest of the batch, since all others give up before it does. If that one may
// not, a goroutine does.
func (b *Batcher[T, P]) start() *Wait {
	if b.starting || len(b.waiting) == 0 || len(b.inFlight) == maxBatches || len(b.inFlight) > 0 && len(b.waiting) < secondBatch {
		return nil
	}
	b.starting = true
	// One that has given up, also while a batch had it, no longer listens.
	if w := b.waiting[min(len(b.waiting), b.most())-1].wait(); w.mayCarry && w.state.Load() == waiting {
		w.carries = true
		return w
	}
	go b.next(nil)
	return nil
}

// watch makes sure that expire runs: somebody waits who does not carry. mu is held.
func (b *Batcher[T, P]) watch() {
	if !b.expiring {
		b.expiring = true
		go b.expire()
	}
}

// next is carryNext after those whose request has been read could join, too: that makes
// batches fuller where the server is busy. Where it is not, it would only wake a thread, so
// a caller that need not wait does not call it.
func (b *Batcher[T, P]) next(w *Wait) {
	runtime.Gosched()
	b.carryNext(w)
}

// carryNext takes a batch and carries it. w is of the caller that does so, nil if none does.
func (b *Batcher[T, P]) carryNext(w *Wait) {
	batch, other := b.take(w)
	other.carry()
	if batch != nil {
		b.Carry(batch)
	}
}

// take makes a batch of those who wait, for w to carry. It returns nil if all have given
// up, or w has; and who is to carry another batch.
func (b *Batcher[T, P]) take(w *Wait) (batch *Batch[T, P], other *Wait) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starting = false
	// Whoever has given up, or expired while delayed, is not sent any more.
	b.waiting = slices.DeleteFunc(b.waiting, func(q T) bool { return q.wait().state.Load() != waiting })
	if len(b.waiting) == 0 {
		return nil, nil
	}
	if w != nil && w.state.Load() == expired {
		return nil, b.start()
	}
	batch, _ = b.free.Get().(*Batch[T, P])
	if batch == nil {
		batch = new(Batch[T, P])
	}
	n := min(len(b.waiting), b.most())
	if w != nil {
		// Who came a tick after w may wait for longer, and w would wait as long.
		if i := slices.IndexFunc(b.waiting[:n], func(q T) bool { return int32(q.wait().since-w.since) > 0 }); i >= 0 {
			n = i
		}
	}
	batch.Waiters = append(batch.Waiters[:0], b.waiting[:n]...)
	left := copy(b.waiting, b.waiting[n:])
	clear(b.waiting[left:])
	b.waiting = b.waiting[:left]
	b.inFlight = append(b.inFlight, batch)
	if batch.context == nil || batch.context.used() {
		batch.context = new(batchContext)
	}
	batch.context.deadline = b.deadline(now, batch.Waiters)
	return batch, b.start()
}

// deadline is when the last of some waiters gives up. It has joined before the tick after
// the one that it goes by. mu is held.
func (b *Batcher[T, P]) deadline(now time.Time, waiters []T) time.Time {
	waited := b.limit()
	for _, q := range waiters {
		waited = min(waited, b.tick-q.wait().since)
	}
	if waited == 0 {
		return now.Add(b.timeout)
	}
	return b.ticked.Add(b.timeout - time.Duration(waited-1)*b.every())
}

// Carry sends a batch and wakes its waiters. It is for tests, beside the Batcher.
func (b *Batcher[T, P]) Carry(batch *Batch[T, P]) {
	complete := false
	defer func() {
		if !complete { // it panics, and the caller may survive that
			b.remove(batch)
			for _, q := range batch.Waiters {
				q.wait().finish(expired)
			}
		}
	}()
	b.send(batch)
	b.remove(batch) // the next is sent while these are answered: Redis need not wait
	b.answer(batch)
	var next, later []T
	for _, q := range batch.Waiters {
		switch w := q.wait(); {
		case !w.Retry:
			w.finish(answered)
			continue
		case w.AtOnce:
			next = append(next, q)
		default:
			later = append(later, q)
		}
		q.wait().Retry, q.wait().AtOnce = false, false
	}
	b.again(next)
	if len(later) > 0 {
		b.delay(later)
	}
	clear(batch.Waiters)
	complete = true
	if !batch.InUse {
		b.free.Put(batch)
	}
}

// Alone sends a batch that nobody waits for, beside those of callers, for the timeout at
// most, and fills in the answers.
func (b *Batcher[T, P]) Alone(batch *Batch[T, P]) {
	batch.context = &batchContext{deadline: time.Now().Add(b.timeout)}
	b.send(batch)
	b.answer(batch)
}

// remove notes that a batch is no longer in flight, and has the next carried.
func (b *Batcher[T, P]) remove(batch *Batch[T, P]) {
	b.mu.Lock()
	b.inFlight = slices.DeleteFunc(b.inFlight, func(other *Batch[T, P]) bool { return other == batch })
	carrier := b.start()
	b.mu.Unlock()
	carrier.carry()
}

// delay lets waiters wait a while, and then for a batch again.
func (b *Batcher[T, P]) delay(waiters []T) {
	b.mu.Lock()
	b.delayed = append(b.delayed, waiters...)
	b.watch()
	b.mu.Unlock()
	time.AfterFunc(shortestPause+rand.N(longestPause/2), func() {
		b.mu.Lock()
		waiters := slices.Clone(b.delayed)
		clear(b.delayed)
		b.delayed = b.delayed[:0]
		b.mu.Unlock()
		b.again(waiters)
	})
}

// again lets waiters, which a batch has had, wait for the next.
func (b *Batcher[T, P]) again(waiters []T) {
	if len(waiters) == 0 {
		return
	}
	b.mu.Lock()
	// Those who carry must be behind all who give up before they do: see take.
	b.waiting = slices.Insert(b.waiting, 0, waiters...)
	slices.SortStableFunc(b.waiting, func(q, r T) int { return int(int32(q.wait().since - r.wait().since)) })
	carrier := b.start()
	b.watch()
	b.mu.Unlock()
	carrier.carry()
}

// every is the time of a tick.
func (b *Batcher[T, P]) every() time.Duration { return max(b.timeout/expiryTicks, time.Millisecond) }

// limit is how many ticks a caller waits. The first may come right after the joining.
func (b *Batcher[T, P]) limit() uint32 { return uint32((b.timeout+b.every()-1)/b.every()) + 1 }

// expire ends the wait of callers whose time is up, until none waits. Looking at
// all of them now and then costs less than a timer for each.
func (b *Batcher[T, P]) expire() {
	limit := b.limit()
	silence := false // whether somebody's time was up
	late := func(q T) bool {
		if b.tick-q.wait().since < limit {
			return false
		}
		q.wait().finish(expired)
		silence = true
		return true
	}
	ticker := time.NewTicker(b.every())
	defer ticker.Stop()
	for now := range ticker.C {
		b.mu.Lock()
		b.tick++
		b.ticked = now
		b.waiting = slices.DeleteFunc(b.waiting, late)
		b.delayed = slices.DeleteFunc(b.delayed, late)
		for _, batch := range b.inFlight {
			for _, q := range batch.Waiters {
				late(q)
			}
		}
		idle := len(b.waiting)+len(b.delayed)+len(b.inFlight) == 0 && !b.starting
		b.expiring = !idle
		b.mu.Unlock()
		if silence {
			b.health.noAnswer()
			silence = false
		}
		if idle {
			return
		}
	}
}

// Idle reports whether nobody waits and nothing is in flight.
func (b *Batcher[T, P]) Idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)+len(b.inFlight) == 0 && !b.expiring
}

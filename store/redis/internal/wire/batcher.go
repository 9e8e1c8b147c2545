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

// Batcher sends the calls of many callers in shared batches, each one write to the
// connection. While no batch is in flight, a call is sent at once, alone; those that
// come meanwhile are sent together when it is back. There is no timer, so an idle server
// adds no delay. T is what a caller waits for, P what a batch needs for itself.
type Batcher[T Waiter, P any] struct {
	most    func() int         // how many calls a batch may carry, at least 1
	send    func(*Batch[T, P]) // sends a batch and waits for the reply
	answer  func(*Batch[T, P]) // fills in each waiter's answer from the reply
	timeout time.Duration      // the longest wait of a caller
	health  *health

	mu       sync.Mutex
	waiting  []T            // in the order they came
	delayed  []T            // those to be sent again, after a pause
	starting bool           // whether a batch is about to be taken
	inFlight []*Batch[T, P] // at most maxBatches
	expiring bool           // whether expire runs
	// tick counts while somebody waits, expiryTicks in a timeout. Callers take
	// their time by it: to ask the clock costs more than the rest of a join.
	tick uint32

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
	b.mu.Lock()
	w.since = b.tick
	b.waiting = append(b.waiting, q)
	b.start()
	b.mu.Unlock()
	if end := ctx.Done(); end == nil {
		<-w.done // a third of the cost of a select
	} else {
		select {
		case <-w.done:
		case <-end:
			w.finish(expired)
			<-w.done
		}
	}
	if w.state.Load() == expired {
		return errNoAnswer
	}
	return nil
}

// start starts the next batch if one may be sent. mu is held.
func (b *Batcher[T, P]) start() {
	if b.starting || len(b.waiting) == 0 || len(b.inFlight) == maxBatches || len(b.inFlight) > 0 && len(b.waiting) < secondBatch {
		return
	}
	b.starting = true
	go b.next()
	if !b.expiring {
		b.expiring = true
		go b.expire()
	}
}

// next takes a batch and carries it.
func (b *Batcher[T, P]) next() {
	// Callers whose request has been read may still join: that makes batches fuller
	// where the server is what is busy, and takes no time where it is not.
	runtime.Gosched()
	if batch := b.take(); batch != nil {
		b.Carry(batch)
	}
}

// take makes a batch of those who wait, or returns nil if all have given up.
func (b *Batcher[T, P]) take() *Batch[T, P] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starting = false
	// Whoever has given up, or expired while delayed, is not sent any more.
	b.waiting = slices.DeleteFunc(b.waiting, func(q T) bool { return q.wait().state.Load() != waiting })
	if len(b.waiting) == 0 {
		return nil
	}
	batch, _ := b.free.Get().(*Batch[T, P])
	if batch == nil {
		batch = new(Batch[T, P])
	}
	n := min(len(b.waiting), b.most())
	batch.Waiters = append(batch.Waiters[:0], b.waiting[:n]...)
	left := copy(b.waiting, b.waiting[n:])
	clear(b.waiting[left:])
	b.waiting = b.waiting[:left]
	b.inFlight = append(b.inFlight, batch)
	b.start()
	return batch
}

// Carry sends a batch and wakes its waiters. It is for tests, beside the Batcher.
func (b *Batcher[T, P]) Carry(batch *Batch[T, P]) {
	b.send(batch)
	b.mu.Lock()
	b.inFlight = slices.DeleteFunc(b.inFlight, func(other *Batch[T, P]) bool { return other == batch })
	b.start() // the next is sent while these are answered: Redis need not wait
	b.mu.Unlock()
	b.answer(batch)
	var again []T
	for _, q := range batch.Waiters {
		if w := q.wait(); w.Retry {
			w.Retry = false
			again = append(again, q)
		} else {
			w.finish(answered)
		}
	}
	if len(again) > 0 {
		b.delay(again)
	}
	clear(batch.Waiters)
	if !batch.InUse {
		b.free.Put(batch)
	}
}

// delay lets waiters wait a while, and then for a batch again.
func (b *Batcher[T, P]) delay(waiters []T) {
	b.mu.Lock()
	b.delayed = append(b.delayed, waiters...)
	b.mu.Unlock()
	time.AfterFunc(shortestPause+rand.N(longestPause/2), func() {
		b.mu.Lock()
		b.waiting = append(b.waiting, b.delayed...)
		clear(b.delayed)
		b.delayed = b.delayed[:0]
		b.start()
		b.mu.Unlock()
	})
}

// expire ends the wait of callers whose time is up, until none waits. Looking at
// all of them now and then costs less than a timer for each.
func (b *Batcher[T, P]) expire() {
	every := max(b.timeout/expiryTicks, time.Millisecond)
	// The first tick may come right after the joining.
	limit := uint32((b.timeout+every-1)/every) + 1
	silence := false // whether somebody's time was up
	late := func(q T) bool {
		if b.tick-q.wait().since < limit {
			return false
		}
		q.wait().finish(expired)
		silence = true
		return true
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for range ticker.C {
		b.mu.Lock()
		b.tick++
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

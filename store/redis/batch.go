package redis

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"rest-sessions/store"
)

const (
	// maxBatch bounds the reads of one script call, so that none holds Redis for
	// more than about a millisecond (a read costs it 6 to 8 us).
	maxBatch = 128
	// maxFlying is how many batches may be on their way at once. With two, Redis
	// works on one while the reply of the other is read.
	maxFlying = 2
	// secondBatch is how many reads must wait before a second batch goes while one
	// is on its way: a small one costs more than it saves.
	secondBatch = 16
	// batchBytes bounds the reply of a batch, by the mean size of late: sessions
	// with much data go in smaller batches.
	batchBytes = 256 << 10
	// expiryTicks is how many times in a timeout those who wait are looked at.
	expiryTicks = 20
)

// reader makes batches of concurrent reads. A read that finds none on its way
// goes at once; those that come meanwhile go together when it is back. So a lone
// read never waits for company, and under load a script call carries many.
type reader struct {
	s *Store

	mu       sync.Mutex
	waiting  []*read  // in the order they came
	flying   []*batch // at most maxFlying
	expiring bool     // whether expire runs
	meanSize int      // bytes of a read's reply, of late

	reads   sync.Pool // of *read
	batches sync.Pool // of *batch
}

// read is one Get on its way. While it waits and flies it belongs to the reader:
// a caller who gives up leaves it behind.
type read struct {
	key    []byte // ns:app:token
	appEnd int    // where the app ends in key
	since  time.Time
	state  atomic.Uint32
	done   chan struct{} // gets an element when state leaves readWaiting
	// session and err are the answer, once state is readAnswered.
	session store.Session
	err     error
}

// The states of a read.
const (
	readWaiting uint32 = iota
	readAnswered
	readExpired
)

// batch is the reads of one script call. Its reads do not change on the way.
type batch struct {
	reads      []*read
	keys, args []string
}

func newReader(s *Store) *reader {
	r := &reader{s: s}
	r.reads.New = func() any { return &read{done: make(chan struct{}, 1)} }
	r.batches.New = func() any { return new(batch) }
	return r
}

// get reads a session with the next batch.
func (r *reader) get(ctx context.Context, app, token string) (store.Session, error) {
	if err := ctx.Err(); err != nil {
		return store.Session{}, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	q := r.reads.Get().(*read)
	q.key = append(append(append(append(q.key[:0], r.s.keys.ns...), app...), ':'), token...)
	q.appEnd = len(r.s.keys.ns) + len(app)
	q.since = time.Now()
	q.state.Store(readWaiting)

	r.mu.Lock()
	r.waiting = append(r.waiting, q)
	b := r.next()
	r.mu.Unlock()
	if b != nil {
		go r.fly(b)
	}

	select {
	case <-q.done:
	case <-ctx.Done():
		q.finish(readExpired)
		<-q.done
	}
	if q.state.Load() == readExpired {
		return store.Session{}, fmt.Errorf("%w: no answer in time", store.ErrUnavailable)
	}
	session, err := q.session, q.err
	if err == nil || err == store.ErrNotFound {
		q.session, q.err = store.Session{}, nil
		r.reads.Put(q)
	} // else rueidis may still hold the key
	return session, err
}

// finish lets r leave readWaiting and wakes its caller, unless that has happened.
func (q *read) finish(state uint32) {
	if q.state.CompareAndSwap(readWaiting, state) {
		q.done <- struct{}{}
	}
}

// app returns the part of the key up to the app's end: equal for equal apps.
func (q *read) app() []byte { return q.key[:q.appEnd] }

// next makes a batch of the waiting reads if one may go now, else it returns nil.
// mu is held.
func (r *reader) next() *batch {
	if len(r.waiting) == 0 || len(r.flying) == maxFlying || len(r.flying) > 0 && len(r.waiting) < secondBatch {
		return nil
	}
	b := r.batches.Get().(*batch)
	n := min(len(r.waiting), maxBatch)
	if r.meanSize > 0 {
		n = min(n, max(1, batchBytes/r.meanSize))
	}
	b.reads = append(b.reads[:0], r.waiting[:n]...)
	left := copy(r.waiting, r.waiting[n:])
	clear(r.waiting[left:])
	r.waiting = r.waiting[:left]
	for _, q := range b.reads[1:] {
		if !bytes.Equal(q.app(), b.reads[0].app()) {
			slices.SortStableFunc(b.reads, func(x, y *read) int { return bytes.Compare(x.app(), y.app()) })
			break
		}
	}
	r.flying = append(r.flying, b)
	if !r.expiring {
		r.expiring = true
		go r.expire()
	}
	return b
}

// fly sends b and hands out its answers.
func (r *reader) fly(b *batch) {
	text, err := r.send(b)
	r.mu.Lock()
	r.flying = slices.DeleteFunc(r.flying, func(f *batch) bool { return f == b })
	if err == nil { // a moving mean over some eight batches
		r.meanSize += (len(text)/len(b.reads) - r.meanSize) / 8
	}
	following := r.next()
	r.mu.Unlock()
	if following != nil {
		// It goes out while these answers are handed out: Redis need not wait.
		go r.fly(following)
	}
	r.answer(b, text, err)
	clear(b.reads)
	if err == nil { // else rueidis may still hold its arguments
		r.batches.Put(b)
	}
}

// send runs the script for the reads of b. It has no deadline, since each caller
// has one (see expire); it ends at the latest when rueidis gives up a silent
// connection.
func (r *reader) send(b *batch) (string, error) {
	b.keys = append(b.keys[:0], r.s.keys.wipe())
	b.args = b.args[:0]
	for i := 0; i < len(b.reads); {
		first := i
		app := string(b.reads[i].app()[len(r.s.keys.ns):])
		b.keys = append(b.keys, r.s.keys.sessions(app), r.s.keys.users(app))
		for ; i < len(b.reads) && bytes.Equal(b.reads[i].app(), b.reads[first].app()); i++ {
			b.keys = append(b.keys, unsafe.String(&b.reads[i].key[0], len(b.reads[i].key)))
		}
		b.args = append(b.args, app, strconv.Itoa(i-first))
	}
	start := time.Now()
	reply, err := r.s.scripts.get.Exec(context.Background(), r.s.client, b.keys, b.args).ToMessage()
	r.s.watch.RoundTrip(time.Since(start))
	r.s.watch.Batch(len(b.reads))
	r.s.note(err)
	if err != nil {
		return "", classify(err)
	}
	text, err := reply.ToString()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errReply, err)
	}
	return text, nil
}

// answer hands out what a batch's reply says of each of its reads.
func (r *reader) answer(b *batch, text string, err error) {
	for _, q := range b.reads {
		if q.err = err; err == nil {
			q.session, text, q.err = cutSession(text)
		}
		q.finish(readAnswered)
	}
	if text != "" && err == nil {
		r.s.logf("%v: %d bytes after the last session of a batch", errReply, len(text))
	}
}

// expire ends the wait of callers whose time is up, until none waits. Looking at
// all of them now and then costs less than a timer for each.
func (r *reader) expire() {
	ticker := time.NewTicker(max(r.s.timeout/expiryTicks, time.Millisecond))
	defer ticker.Stop()
	for now := range ticker.C {
		r.mu.Lock()
		late := func(q *read) bool { return now.Sub(q.since) >= r.s.timeout }
		r.waiting = slices.DeleteFunc(r.waiting, func(q *read) bool {
			if late(q) {
				q.finish(readExpired)
				return true
			}
			return false
		})
		for _, b := range r.flying {
			for _, q := range b.reads {
				if late(q) {
					q.finish(readExpired)
				}
			}
		}
		idle := len(r.waiting) == 0 && len(r.flying) == 0
		r.expiring = !idle
		r.mu.Unlock()
		if idle {
			return
		}
	}
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rest-sessions/store"
)

// TestBatcherAtRandom has callers come and give up at random, and a Redis that is fast, slow,
// silent, or refuses some of a batch. Whatever happens, each caller is back in its time, no
// batch is empty, none carries who has given up, and when all is over the next call is served.
func TestBatcherAtRandom(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { batcherAtRandom(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

// randomCall is a call of batcherAtRandom. What it notes is guarded by the test's lock.
type randomCall struct {
	call
	back  bool // whether its caller is back
	sent  int  // in how many batches it was
	again bool // whether it was to be sent again
}

func batcherAtRandom(t *testing.T, r *rand.Rand) {
	const timeout, tick = time.Second, time.Second / expiryTicks
	var mu sync.Mutex // of what follows, r too
	batches, refused := 0, 0
	calls := map[*call]*randomCall{}
	chance := func(percent int) bool { return r.IntN(100) < percent }
	slow, silent, refusing := r.IntN(10), r.IntN(3), r.IntN(30) // percent
	healthy := slow == 0 && silent == 0

	b := newTestBatcher(timeout, func(b *testBatch) {
		mu.Lock()
		batches++
		if len(b.Waiters) == 0 {
			t.Error("a batch carries nobody")
		}
		for _, q := range b.Waiters {
			if c := calls[q]; c.back {
				t.Error("a batch carries who has given up")
			} else {
				c.sent++
			}
		}
		takes := time.Duration(r.Int64N(int64(10 * time.Millisecond)))
		if chance(slow) {
			takes = time.Duration(r.Int64N(int64(timeout)))
		}
		hangs := chance(silent)
		mu.Unlock()

		if deadline, _ := b.Context().Deadline(); hangs || takes > time.Until(deadline) {
			time.Sleep(time.Until(deadline))
			b.InUse = true
			for _, q := range b.Waiters {
				q.err = errNoAnswer
			}
			return
		}
		time.Sleep(takes)
		mu.Lock()
		defer mu.Unlock()
		for _, q := range b.Waiters {
			if q.Retry = chance(refusing); q.Retry {
				q.AtOnce, calls[q].again = chance(50), true
				refused++
			}
		}
	})
	most := 1 + r.IntN(40)
	b.most = func() int { return most }

	do := func(ctx context.Context, limit time.Duration) error {
		c := &randomCall{call: call{Wait: NewWait()}}
		mu.Lock()
		calls[&c.call] = c
		mu.Unlock()
		began := time.Now()
		err := b.Do(ctx, &c.call)
		if err == nil {
			err = c.err
		}
		mu.Lock()
		defer mu.Unlock()
		c.back = true
		if c.again && limit == timeout {
			limit *= 2 // nobody counted ticks while it was alone
		}
		if took := time.Since(began); took > limit+2*tick {
			t.Errorf("a caller is back after %v: %v", took, err)
		}
		if err == nil && c.sent == 0 {
			t.Error("a call was answered that was not sent")
		}
		return err
	}
	var callers sync.WaitGroup
	mu.Lock() // until all are about to come
	n := 1 + r.IntN(300)
	for range n {
		joins, limit := time.Duration(r.Int64N(int64(2*time.Second))), timeout
		if chance(30) { // many at one moment
			joins = joins.Truncate(500 * time.Millisecond)
		}
		gives := chance(10)
		if gives {
			limit = time.Duration(r.Int64N(int64(timeout)))
		}
		callers.Go(func() {
			time.Sleep(joins)
			ctx := context.Background()
			if gives {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
			}
			if err := do(ctx, limit); err != nil && (!errors.Is(err, store.ErrUnavailable) || healthy && !gives && most > 20) {
				t.Errorf("of a Redis that serves: %v", err)
			}
		})
	}
	mu.Unlock()
	callers.Wait()
	mu.Lock()
	if batches > n+refused {
		t.Errorf("%d calls, %d of them sent again, took %d batches", n, refused, batches)
	}
	slow, silent, refusing = 0, 0, 0
	mu.Unlock()
	time.Sleep(timeout + 2*tick) // until nobody looks for those who are late
	if !b.Idle() {
		t.Error("somebody still waits")
	}
	if err := do(context.Background(), 10*time.Millisecond); err != nil {
		t.Errorf("when all is over: %v", err)
	}
	time.Sleep(2 * tick)
}

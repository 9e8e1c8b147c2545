package wire

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rest-sessions/store"
)

// testBatch is a batch of a Batcher whose send is a test's.
type testBatch = Batch[*call, pipelinePayload]

func newTestBatcher(timeout time.Duration, send func(*testBatch)) *Batcher[*call, pipelinePayload] {
	return &Batcher[*call, pipelinePayload]{
		most: func() int { return maxPipelined }, timeout: timeout,
		send: send, answer: func(*testBatch) {},
		health: newHealth(&health{
			ping: func(context.Context) error { return nil }, pingTimeout: timeout, onCluster: func() bool { return false },
			explain: func(err error) error { return err }, circuit: func(bool) {}, logf: func(string, ...any) {},
		}),
	}
}

// goroutine returns the name of the goroutine that calls it.
func goroutine() string {
	b := make([]byte, 64)
	name, _, _ := bytes.Cut(b[:runtime.Stack(b, false)], []byte(" ["))
	return string(name)
}

// TestCallerCarries has a lone caller make its call itself.
func TestCallerCarries(t *testing.T) {
	carrier := ""
	b := newTestBatcher(time.Second, func(*testBatch) { carrier = goroutine() })
	if err := b.Do(context.Background(), &call{Wait: NewWait()}); err != nil {
		t.Fatal(err)
	}
	if carrier != goroutine() {
		t.Errorf("%s carried the call of %s", carrier, goroutine())
	}
	if b.expiring {
		t.Error("a goroutine watches over a caller that its connection watches over")
	}
}

// TestYoungestCarries has callers come while a batch is in flight, and Redis answer none of
// them: each gives up in its own time, also the one that carries.
func TestYoungestCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout, tick = time.Second, time.Second / expiryTicks
		begin := time.Now()
		var carriers []string
		var deadlines []time.Duration
		b := newTestBatcher(timeout, func(b *testBatch) {
			carriers = append(carriers, goroutine())
			deadline, _ := b.Context().Deadline()
			deadlines = append(deadlines, deadline.Sub(begin))
			if len(carriers) == 1 {
				time.Sleep(900 * time.Millisecond)
			} else {
				<-b.Context().Done()
				for _, c := range b.Waiters {
					c.err = errNoAnswer
				}
			}
		})
		var wg sync.WaitGroup
		var names [3]string
		for i := range names {
			wg.Go(func() {
				names[i] = goroutine()
				joined := time.Duration(i) * 300 * time.Millisecond
				time.Sleep(joined)
				c := &call{Wait: NewWait()}
				err := b.Do(context.Background(), c)
				if err == nil {
					err = c.err // at its deadline either may come first
				}
				took := time.Since(begin) - joined
				switch {
				case i == 0 && err != nil:
					t.Errorf("the first: %v", err)
				case i > 0 && (!errors.Is(err, store.ErrUnavailable) || took < timeout || took > timeout+2*tick):
					t.Errorf("caller %d after %v: %v", i, took, err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if want := []string{names[0], names[2]}; !slices.Equal(carriers, want) {
			t.Errorf("carried by %q, not %q", carriers, want)
		}
		if d := deadlines[1]; deadlines[0] != timeout || d < 1600*time.Millisecond || d > 1600*time.Millisecond+tick {
			t.Errorf("deadlines %v", deadlines)
		}
		time.Sleep(2 * tick) // until nobody looks for those who are late
	})
}

// TestContextsCarryNothing has a caller whose context may end come first: it gives up at once
// when that ends, and fails nobody else.
func TestContextsCarryNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBatcher(time.Second, func(*testBatch) { time.Sleep(500 * time.Millisecond) })
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			start := time.Now()
			if err := b.Do(ctx, &call{Wait: NewWait()}); !errors.Is(err, store.ErrUnavailable) || time.Since(start) != 10*time.Millisecond {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		})
		synctest.Wait() // until its call is in flight
		for range 5 {
			wg.Go(func() {
				if err := b.Do(context.Background(), &call{Wait: NewWait()}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
	})
}

// TestPanicInABatch has the call of a batch panic, which a server survives: the next batch
// goes on its way, and nobody waits for this one.
func TestPanicInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batches := 0
		b := newTestBatcher(time.Second, func(b *testBatch) {
			time.Sleep(100 * time.Millisecond)
			if batches++; batches == 1 {
				panic("a fault")
			}
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("it does not panic")
				}
			}()
			b.Do(context.Background(), &call{Wait: NewWait()})
		})
		synctest.Wait()
		wg.Go(func() {
			if err := b.Do(context.Background(), &call{Wait: NewWait()}); err != nil {
				t.Errorf("in the next batch: %v", err)
			}
		})
		wg.Wait()
		time.Sleep(time.Second)
		if !b.Idle() {
			t.Error("the batch is still in flight")
		}
	})
}

// TestExpiredCarriesNothing has a waiter give up while a batch has it that Redis refuses, so
// that it is to be sent again. To have it carry the next batch would stop the Batcher for good.
func TestExpiredCarriesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batches := 0
		b := newTestBatcher(time.Second, func(b *testBatch) {
			switch batches++; batches {
			case 1:
				time.Sleep(time.Millisecond)
			case 2:
				time.Sleep(2 * time.Second)
				b.Waiters[0].Retry = true
			}
		})
		do := func() error { return b.Do(context.Background(), &call{Wait: NewWait()}) }
		go do()
		synctest.Wait()
		if err := do(); err != errNoAnswer {
			t.Errorf("one that Redis refused for too long: %v", err)
		}
		time.Sleep(time.Minute)
		if err := do(); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

// TestCarriesNoYounger has callers come between the choice of the one that carries and the
// making of the batch: it would have to wait as long as they may.
func TestCarriesNoYounger(t *testing.T) {
	b := newTestBatcher(time.Second, nil)
	first, second, later := &call{Wait: NewWait()}, &call{Wait: NewWait()}, &call{Wait: NewWait()}
	later.since = 1
	b.waiting, b.inFlight = append(b.waiting, first, second, later), make([]*testBatch, maxBatches-1)
	batch, _ := b.take(&second.Wait)
	if !slices.Equal(batch.Waiters, []*call{first, second}) || !slices.Equal(b.waiting, []*call{later}) {
		t.Errorf("the batch has %d, %d wait", len(batch.Waiters), len(b.waiting))
	}
}

// TestRefusedGoFirst has one whom Redis refuses be sent again while one waits who came a tick
// later: it would be chosen to carry, as the last, and could carry nobody, itself included.
func TestRefusedGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tick = time.Second / expiryTicks
		var carried []int
		b := newTestBatcher(time.Second, func(b *testBatch) {
			carried = append(carried, len(b.Waiters))
			switch len(carried) {
			case 1:
				time.Sleep(2 * tick)
				b.Waiters[0].Retry = true
			case 2:
				time.Sleep(longestPause) // until the first waits again
			default:
				time.Sleep(time.Millisecond)
			}
		})
		var wg sync.WaitGroup
		for _, joins := range []time.Duration{0, time.Millisecond, 2*tick + time.Millisecond} {
			wg.Go(func() {
				time.Sleep(joins)
				if err := b.Do(context.Background(), &call{Wait: NewWait()}); err != nil {
					t.Errorf("who came after %v: %v", joins, err)
				}
			})
		}
		wg.Wait()
		if want := []int{1, 1, 2}; !slices.Equal(carried, want) {
			t.Errorf("the batches carry %v, not %v", carried[:min(len(carried), 5)], want)
		}
		time.Sleep(2 * tick) // until nobody looks for those who are late
	})
}

// TestAgainAtOnce has a batch leave out two that another batch may carry: they go with the
// next, and one that is to wait for a while does.
func TestAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batches := 0
		b := newTestBatcher(time.Second, func(b *testBatch) {
			if batches++; batches == 1 {
				time.Sleep(time.Millisecond) // until the others wait
			}
			if batches == 2 {
				for i, q := range b.Waiters[1:] {
					q.Retry, q.AtOnce = true, i < 2
				}
			}
		})
		var took [5]time.Duration
		var wg sync.WaitGroup
		for i := range took {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				began := time.Now()
				if err := b.Do(context.Background(), &call{Wait: NewWait()}); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
				took[i] = time.Since(began)
			})
		}
		wg.Wait()
		for i, d := range took {
			if delayed := d >= shortestPause; delayed != (i == 4) {
				t.Errorf("caller %d: %v", i, d)
			}
		}
		if batches != 4 {
			t.Errorf("%d batches", batches)
		}
		time.Sleep(time.Second) // until nobody looks for those who are late
	})
}

// TestExpiredHandsOn has the one that was to carry give up before it takes the batch: another
// of those who wait carries it. Else they would wait until the next caller comes.
func TestExpiredHandsOn(t *testing.T) {
	b := newTestBatcher(time.Second, nil)
	chosen, other := &call{Wait: NewWait()}, &call{Wait: NewWait()}
	chosen.finish(expired)
	other.mayCarry = true
	b.waiting, b.starting = append(b.waiting, chosen, other), true
	if batch, carrier := b.take(&chosen.Wait); batch != nil || carrier != &other.Wait {
		t.Errorf("batch %v, carrier %p, not %p", batch, carrier, &other.Wait)
	}
}

package wire

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/store"
)

const (
	// testTimeout is far above what a loaded machine needs for a round trip.
	testTimeout = 10 * time.Second
	waitTimeout = 20 * time.Second
)

// eventually waits until ok is true.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(waitTimeout); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", waitTimeout, what)
		}
	}
}

// openings counts what a breaker tells.
type openings struct {
	opened, closed atomic.Int64
}

func (o *openings) Circuit(open bool) {
	if open {
		o.opened.Add(1)
	} else {
		o.closed.Add(1)
	}
}

// fakeBreaker makes a breaker whose PINGs end as answer says.
func fakeBreaker(t *testing.T, answer func(context.Context) error) (*breaker, *openings) {
	o := new(openings)
	b := newBreaker(testTimeout, answer, func() {}, o.Circuit)
	t.Cleanup(b.close)
	return b, o
}

// TestSuspicionIsNoOutage lets a call fail while Redis answers the probe, or any
// other call.
func TestSuspicionIsNoOutage(t *testing.T) {
	probed := make(chan struct{}, 2)
	probes := 0
	var c *breaker
	var o *openings
	answers := map[string]func(context.Context) error{
		"the probe is answered":     func(context.Context) error { return nil },
		"another call was answered": func(context.Context) error { c.success(); return io.EOF },
		"only one is in vain":       func(context.Context) error { probes++; return []error{io.EOF, nil}[probes-1] },
	}
	for name, answer := range answers {
		c, o = fakeBreaker(t, func(ctx context.Context) error {
			defer func() { probed <- struct{}{} }()
			return answer(ctx)
		})
		c.failure()
		<-probed
		eventually(t, name+": the probe ends", func() bool { return !c.busy.Load() })
		if err := c.refused(); err != nil || o.opened.Load() != 0 {
			t.Errorf("%s: it opened: %v", name, err)
		}
	}
}

// TestOpensAndCloses has a Redis that does not answer, then does. There is never
// more than one probe.
func TestOpensAndCloses(t *testing.T) {
	var back atomic.Bool
	var probes, most, asked atomic.Int64
	c, o := fakeBreaker(t, func(ctx context.Context) error {
		most.Store(max(most.Load(), probes.Add(1)))
		defer probes.Add(-1)
		asked.Add(1)
		if back.Load() {
			return nil
		}
		return io.EOF
	})
	if err := c.refused(); err != nil {
		t.Errorf("it begins open: %v", err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(c.failure)
	}
	wg.Wait()
	eventually(t, "it opens", func() bool { return c.refused() != nil })
	if err := c.refused(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, io.EOF) {
		t.Errorf("it refuses with %v", err)
	}
	eventually(t, "it asks again", func() bool { return asked.Load() >= 3 })
	back.Store(true)
	start := time.Now()
	eventually(t, "it closes", func() bool { return c.refused() == nil })
	if took := time.Since(start); took > 2*probePause+100*time.Millisecond {
		t.Errorf("it closed after %v", took)
	}
	eventually(t, "it is told", func() bool { return o.closed.Load() == 1 })
	if o.opened.Load() != 1 || most.Load() != 1 {
		t.Errorf("told %d times that it opened; %d probes at once", o.opened.Load(), most.Load())
	}
}

// TestCloseWhileOpen closes a store whose breaker probes.
func TestCloseWhileOpen(t *testing.T) {
	c, _ := fakeBreaker(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	c.failure()
	c.close() // returns when no probe runs
	c.failure()
	if err := c.refused(); err != nil {
		t.Errorf("a probe that was broken off opened it: %v", err)
	}
}

package wire

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rest-sessions/store"
)

// testTimeout is far above what a loaded machine needs for a round trip.
const testTimeout = 10 * time.Second

// observed counts what a health tells: how often calls began to fail at once and how often
// that ended, and its lines in the log.
type observed struct {
	opened, closed, lines atomic.Int64
}

func (o *observed) circuit(open bool) {
	if open {
		o.opened.Add(1)
	} else {
		o.closed.Add(1)
	}
}

// fakeHealth makes one whose PINGs and writes end as ping and write say. write may be nil.
func fakeHealth(t *testing.T, ping, write func(context.Context) error) (*health, *observed) {
	o := new(observed)
	h := newHealth(&health{
		ping: ping, write: write, pingTimeout: time.Second, onCluster: func() bool { return false },
		explain: func(err error) error { return err }, circuit: o.circuit,
		logf: func(string, ...any) { o.lines.Add(1) },
	})
	t.Cleanup(h.close)
	return h, o
}

// TestOneFailureIsNoOutage lets a call fail while Redis answers the probe, or any other
// call.
func TestOneFailureIsNoOutage(t *testing.T) {
	probes := 0
	var h *health
	for name, answer := range map[string]func() error{
		"the probe is answered":     func() error { return nil },
		"another call was answered": func() error { h.record(nil); return io.EOF },
		"only one is in vain":       func() error { probes++; return []error{io.EOF, nil}[probes-1] },
	} {
		synctest.Test(t, func(t *testing.T) {
			var o *observed
			asked := 0
			h, o = fakeHealth(t, func(context.Context) error { asked++; return answer() }, nil)
			h.noAnswer()
			time.Sleep(time.Minute)
			if err := h.refused(); err != nil || o.opened.Load() != 0 || h.pinging.Load() || asked == 0 {
				t.Errorf("%s: it opened: %v, after %d probes", name, err, asked)
			}
		})
	}
}

// TestOpensAndCloses has a Redis that does not answer, then does. There is never more than
// one PING.
func TestOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		var pings, most, asked atomic.Int64
		h, o := fakeHealth(t, func(ctx context.Context) error {
			most.Store(max(most.Load(), pings.Add(1)))
			defer pings.Add(-1)
			time.Sleep(time.Millisecond)
			asked.Add(1)
			if back.Load() {
				return nil
			}
			return io.EOF
		}, nil)
		if err := h.refused(); err != nil {
			t.Errorf("it begins open: %v", err)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(h.noAnswer)
		}
		wg.Wait()
		time.Sleep(pingsToOpen*time.Millisecond + 2*secondPause)
		if err := h.refused(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, io.EOF) {
			t.Errorf("it refuses with %v", err)
		}
		time.Sleep(time.Minute)
		if n := asked.Load(); n < int64(time.Minute/(2*probePause+time.Millisecond)) || n > int64(time.Minute/probePause) {
			t.Errorf("it asked %d times in a minute", n)
		}
		back.Store(true)
		time.Sleep(2*probePause + time.Millisecond)
		if err := h.refused(); err != nil {
			t.Errorf("it is still open: %v", err)
		}
		if o.opened.Load() != 1 || o.closed.Load() != 1 || most.Load() != 1 {
			t.Errorf("told %d times that it opened, %d that it closed; %d PINGs at once", o.opened.Load(), o.closed.Load(), most.Load())
		}
	})
}

// TestCloseWhileOpen closes a store that probes.
func TestCloseWhileOpen(t *testing.T) {
	h, _ := fakeHealth(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil)
	h.noAnswer()
	h.close() // returns when no probe runs
	h.noAnswer()
	if err := h.refused(); err != nil {
		t.Errorf("a probe that was broken off opened it: %v", err)
	}
}

// TestPingIsNoWrite has a Redis that answers PING and holds writes back, as in a failover:
// it is down until one succeeds, and each change is logged once.
func TestPingIsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var master atomic.Bool
		h, o := fakeHealth(t, nil, func(context.Context) error {
			time.Sleep(time.Millisecond)
			if master.Load() {
				return nil
			}
			return store.ErrUnavailable
		})
		h.ping = func(context.Context) error { h.answered(); return nil }
		if h.writable() || !h.up() {
			t.Errorf("at the start it is up: %v, writable: %v", h.up(), h.writable())
		}
		for range 10 {
			h.record(io.EOF)
			time.Sleep(time.Minute)
			if h.up() || h.writable() || h.refused() != nil || h.checkWrites(t.Context()) == nil {
				t.Errorf("up: %v, writable: %v, refused: %v", h.up(), h.writable(), h.refused())
			}
		}
		master.Store(true)
		time.Sleep(2*probePause + time.Millisecond)
		if !h.up() || !h.writable() || h.checkWrites(t.Context()) != nil || o.lines.Load() != 2 {
			t.Errorf("then up: %v, writable: %v, %d lines", h.up(), h.writable(), o.lines.Load())
		}
	})
}

// TestUpWithoutCalls has a Redis refuse a call, as while it loads, and serve again: it is up
// after quietAfterARefusal, also if nobody calls any more.
func TestUpWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := fakeHealth(t, nil, func(context.Context) error { return nil })
		h.fails(errors.New("LOADING"), true)
		h.begin(&h.writing, h.probeWrites)
		time.Sleep(quietAfterARefusal - time.Millisecond)
		if h.up() {
			t.Error("it is up at once")
		}
		time.Sleep(2*probePause + time.Millisecond)
		if !h.up() || h.writing.Load() || o.lines.Load() != 2 {
			t.Errorf("then up: %v, probed: %v, %d lines", h.up(), h.writing.Load(), o.lines.Load())
		}
	})
}

// TestUpAfterQuiet has a call of a cluster fail while others are answered: it is up again
// when none has failed for quietBeforeUp.
func TestUpAfterQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := fakeHealth(t, func(context.Context) error { return nil }, nil)
		h.onCluster = func() bool { return true }
		for range 2 {
			h.record(io.EOF)
			for range 2 {
				time.Sleep(quietBeforeUp - time.Millisecond)
				h.record(nil)
				if h.up() {
					t.Fatal("it is up while calls fail")
				}
				h.record(io.EOF)
			}
			time.Sleep(quietBeforeUp)
			h.record(nil)
			if !h.up() {
				t.Fatal("it is still down")
			}
		}
		if o.lines.Load() != 4 {
			t.Errorf("%d lines", o.lines.Load())
		}
	})
}

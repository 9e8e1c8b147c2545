package redis

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/redistest"
)

// openings counts what a circuit tells.
type openings struct {
	unobserved
	opened, closed atomic.Int64
}

func (o *openings) Circuit(open bool) {
	if open {
		o.opened.Add(1)
	} else {
		o.closed.Add(1)
	}
}

// fakeCircuit makes a circuit whose PINGs end as answer says.
func fakeCircuit(t *testing.T, answer func(context.Context) error) (*circuit, *openings) {
	o := new(openings)
	c := newCircuit(&Store{watch: o, logf: t.Logf, timeout: testTimeout}, answer)
	t.Cleanup(c.close)
	return c, o
}

// TestSuspicionIsNoOutage lets a call fail while Redis answers the probe, or any
// other call.
func TestSuspicionIsNoOutage(t *testing.T) {
	probed := make(chan struct{}, 2)
	probes := 0
	var c *circuit
	var o *openings
	answers := map[string]func(context.Context) error{
		"the probe is answered":     func(context.Context) error { return nil },
		"another call was answered": func(context.Context) error { c.heard(); return io.EOF },
		"only one is in vain":       func(context.Context) error { probes++; return []error{io.EOF, nil}[probes-1] },
	}
	for name, answer := range answers {
		c, o = fakeCircuit(t, func(ctx context.Context) error {
			defer func() { probed <- struct{}{} }()
			return answer(ctx)
		})
		c.suspect()
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
	c, o := fakeCircuit(t, func(ctx context.Context) error {
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
		wg.Go(c.suspect)
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

// TestCloseWhileOpen closes a store whose circuit probes.
func TestCloseWhileOpen(t *testing.T) {
	c, _ := fakeCircuit(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	c.suspect()
	c.close() // returns when no probe runs
	c.suspect()
	if err := c.refused(); err != nil {
		t.Errorf("a probe that was broken off opened it: %v", err)
	}
}

// TestFailsFast stops Redis. Callers wait for their time, once; then none does until
// Redis goes on, and soon after that all are served.
func TestFailsFast(t *testing.T) {
	server := redistest.Start(t)
	s, log := openShort(t, server.Port())
	defer s.Close()
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	server.Pause()
	start := time.Now()
	eventually(t, "the circuit opens", func() bool {
		s.Get(ctx, "app", token)
		return s.circuit.refused() != nil
	})
	// A timeout, a tenth of it for lane.expire to look twice, the probes, and the call
	// that had begun.
	if took := time.Since(start); took > s.timeout+s.timeout/10+2*s.circuit.timeout+2*secondPause+s.timeout {
		t.Errorf("it opened after %v", took)
	}
	start = time.Now()
	for range 100 {
		checkUnavailable(t, s, token)
	}
	if took := time.Since(start); took > s.timeout {
		t.Errorf("100 calls of each method took %v while Redis was known not to answer", took)
	}
	server.Resume()
	start = time.Now()
	eventually(t, "it serves", func() bool { _, err := s.Get(ctx, "app", token); return err == nil })
	if took := time.Since(start); took > time.Second {
		t.Errorf("it served again after %v", took)
	}
	if got := log(); strings.Count(got, "\n") != 1 || strings.Count(got, "cannot be used") != 1 || strings.Count(got, "can be used") != 1 {
		t.Errorf("the log should have a line when Redis does not answer and one when it does again, no more:\n%s", got)
	}
}

// TestRefusalIsAnAnswer has Redis refuse what it is asked: the circuit stays closed, and
// the log says it once, also when some commands are carried out in between.
func TestRefusalIsAnAnswer(t *testing.T) {
	server := redistest.Start(t)
	s, log := openShort(t, server.Port())
	defer s.Close()
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	for i := range 50 {
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("get out of memory: %v", err)
		}
		if i == 0 {
			eventually(t, "it is known that writes fail", func() bool { return !s.Writable() })
		}
		if err := s.Ping(ctx); i > 0 && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ping out of memory: %v", err)
		}
	}
	// The same of one that answers even PING with an error.
	server.Do(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
	server.Do(t, "REPLICAOF", "127.0.0.1", "1") // nobody listens there
	if err := s.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping of a replica that has lost its master: %v", err)
	}
	if err := s.circuit.knock(ctx); err != nil {
		t.Errorf("an error is an answer too: %v", err)
	}
	if s.circuit.busy.Load() || s.circuit.refused() != nil {
		t.Error("a Redis that answers was suspected not to")
	}
	if got := log(); strings.Count(got, "\n") != 0 || !strings.Contains(got, "cannot be used") {
		t.Errorf("one line was expected:\n%s", got)
	}
}

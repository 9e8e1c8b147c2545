package wire

import (
	"context"
	"errors"
	"testing"
	"time"

	"rest-sessions/store"
)

// stillTime is time for throttles: it goes on by each wait, and by what a test adds.
type stillTime struct {
	at    time.Time
	waits []time.Duration
}

func (c *stillTime) clock() Clock {
	return Clock{
		Now: func() time.Time { return c.at },
		After: func(d time.Duration) <-chan time.Time {
			c.waits = append(c.waits, d)
			c.at = c.at.Add(d)
			done := make(chan time.Time, 1)
			done <- c.at
			return done
		},
	}
}

// step is a step that keeps Redis for a time.
func (c *stillTime) step(t *testing.T, p *Throttle, took time.Duration) {
	t.Helper()
	if err := p.step(context.Background(), c.clock(), func() error { c.at = c.at.Add(took); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestThrottle(t *testing.T) {
	c := &stillTime{at: time.Unix(1_700_000_000, 0)}
	var p Throttle
	begin := c.at
	const ms = time.Millisecond
	c.step(t, &p, 500*ms)
	if len(c.waits) > 0 {
		t.Errorf("waits %v before or after the first step", c.waits)
	}
	const steps = 100
	busy := 500 * ms
	for i := range steps {
		c.step(t, &p, time.Duration(1+i%7)*ms)
		busy += time.Duration(1+i%7) * ms
	}
	c.step(t, &p, 0)
	if idle := c.at.Sub(begin) - busy; idle < busy-2*throttleCredit || idle > busy {
		t.Errorf("Redis was busy for %v and left alone for %v", busy, idle)
	}

	// Who has waited for something else need not wait again, nor has it saved that up.
	c.step(t, &p, 5*ms)
	c.at = c.at.Add(time.Hour)
	c.waits = nil
	c.step(t, &p, 5*ms)
	if len(c.waits) > 0 {
		t.Errorf("waits %v after an hour", c.waits)
	}
	c.step(t, &p, 5*ms)
	if len(c.waits) != 1 || c.waits[0] != 5*ms-throttleCredit {
		t.Errorf("waits %v after a step of 5 ms", c.waits)
	}
}

// TestThrottleEnds ends the context of one that waits.
func TestThrottleEnds(t *testing.T) {
	c := &stillTime{at: time.Unix(1_700_000_000, 0)}
	clock := c.clock()
	clock.After = func(time.Duration) <-chan time.Time { return nil }
	var p Throttle
	c.step(t, &p, time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.step(ctx, clock, func() error { t.Error("a step after the end"); return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the end of the context is %v", err)
	}
}

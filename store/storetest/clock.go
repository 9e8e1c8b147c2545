package storetest

import (
	"sync"
	"sync/atomic"
)

// startTime is inside an index window of any length but one second, not at its
// start: it is a multiple of no number from 2 to store.MaxWindow.
const startTime = 1_700_000_047

// Clock is a clock that stands still unless a test moves it. It is safe for
// concurrent use.
type Clock struct {
	now atomic.Int64

	mu       sync.Mutex // serialises changes, so that listeners see them in order
	onChange []func(now int64)
}

// NewClock returns a clock that stands at start, in Unix seconds.
func NewClock(start int64) *Clock {
	c := &Clock{}
	c.now.Store(start)
	return c
}

// Now returns the time in Unix seconds.
func (c *Clock) Now() int64 { return c.now.Load() }

// Advance moves the clock by seconds.
func (c *Clock) Advance(seconds int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(c.Now() + seconds)
}

// Set moves the clock to now, in Unix seconds.
func (c *Clock) Set(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(now)
}

// OnChange calls f with the time at once, and then after every change, before
// Advance or Set returns. It is for engines whose clock is out of this process. f
// may call Now but must not change the clock.
func (c *Clock) OnChange(f func(now int64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onChange = append(c.onChange, f)
	f(c.Now())
}

// change requires mu.
func (c *Clock) change(now int64) {
	c.now.Store(now)
	for _, f := range c.onChange {
		f(now)
	}
}

package wire

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// batchContext is the context of a batch's calls. They have a connection to themselves,
// which is written and read in the calling goroutine and closed at the deadline. Unlike
// the contexts of the standard library it costs no timer, unless Done is asked for.
type batchContext struct {
	deadline time.Time

	mu   sync.Mutex
	done chan struct{}
}

// isBatch reports whether a call is one of a batch.
func isBatch(ctx context.Context) bool {
	_, ok := ctx.(*batchContext)
	return ok
}

// Shared returns the context of a call that goes by the connection for single calls, from
// that of the call: without its deadline, with its end. rueidis then reads that connection
// in the background, and so sees at once that it has been closed; at a deadline it would
// close it, and fail the calls of others. The context of a batch is returned as it is.
func Shared(ctx context.Context) context.Context {
	if isBatch(ctx) {
		return ctx
	}
	return &shared{Context: ctx}
}

// shared is a context as Shared makes it. A call that has to connect first shows its deadline
// from then on, since rueidis waits for the greeting of Redis up to it, or for longer.
type shared struct {
	context.Context
	connects atomic.Bool
}

type sharedKey struct{}

// connecting notes that the call with a context has to connect.
func connecting(ctx context.Context) {
	if s, ok := ctx.Value(sharedKey{}).(*shared); ok {
		s.connects.Store(true)
	}
}

func (s *shared) Deadline() (time.Time, bool) {
	if s.connects.Load() {
		return s.Context.Deadline()
	}
	return time.Time{}, false
}

func (s *shared) Value(key any) any {
	if key == (sharedKey{}) {
		return s
	}
	return s.Context.Value(key)
}

func (c *batchContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *batchContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		done := make(chan struct{})
		c.done = done
		time.AfterFunc(time.Until(c.deadline), func() { close(done) })
	}
	return c.done
}

func (c *batchContext) Err() error {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	select {
	case <-done: // never, if it is nil
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (c *batchContext) Value(any) any { return nil }

// used reports whether somebody may still wait for it.
func (c *batchContext) used() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done != nil
}

package wire

import (
	"context"
	"sync"
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

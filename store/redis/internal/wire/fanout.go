package wire

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/redis/rueidis"
)

const (
	// shortestPause and longestPause are between attempts at what Redis refused since
	// a slot was moving. To move a small slot takes a few milliseconds.
	shortestPause = 2 * time.Millisecond
	longestPause  = 40 * time.Millisecond
	// manyCalls is how many calls for an app's buckets go at once, pipelined node by
	// node. Redis runs all those of a node in a row, so they are for scripts that
	// take microseconds.
	manyCalls = 64
	// maxMany is how many such go at once, beside the batches.
	maxMany = 4
)

// wait waits for about pause. It returns false if ctx ends before.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause/2 + rand.N(pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// RunAll makes calls, each of one slot, a bounded number at once. If one fails, all
// have failed.
func (c *Client) RunAll(ctx context.Context, commands []Command) ([]rueidis.RedisMessage, error) {
	replies := make([]rueidis.RedisMessage, 0, len(commands))
	for len(commands) > 0 {
		n := min(len(commands), manyCalls)
		some, errs, err := c.RunEach(ctx, commands[:n])
		if err = cmp.Or(append(errs, err)...); err != nil {
			return nil, err
		}
		replies, commands = append(replies, some...), commands[n:]
	}
	return replies, nil
}

// RunEach makes at most 64 calls at once and returns the reply or error of each; or
// err, if none was made.
func (c *Client) RunEach(ctx context.Context, commands []Command) (replies []rueidis.RedisMessage, errs []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.Current(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := c.many.acquire(ctx); err != nil {
		return nil, nil, err
	}
	defer c.many.release()
	replies, errs = make([]rueidis.RedisMessage, len(commands)), make([]error, len(commands))
	left := make([]int, len(commands))
	for i := range left {
		left[i] = i
	}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		attempt := make([]Command, len(left))
		for i, k := range left {
			if attempt[i] = commands[k]; attempt[i].Script != nil {
				attempt[i].Keys = c.keys.Guard(attempt[i].Keys)
			}
		}
		start := time.Now()
		results := Send(ctx, conn.Client, attempt)
		c.Observer.RoundTrip(time.Since(start))
		var moving []int
		for i, r := range results {
			k := left[i]
			replies[k], errs[k] = r.ToMessage()
			if SlotIsMoving(errs[k]) {
				moving = append(moving, k)
			}
		}
		if left = moving; len(left) == 0 || !wait(ctx, pause) {
			break
		}
	}
	for i, err := range errs {
		c.health.record(err)
		if err != nil {
			errs[i] = Classify(err)
		}
	}
	return replies, errs, nil
}

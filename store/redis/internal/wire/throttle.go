package wire

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

// throttleCredit is how far an operation may be ahead of its time: it then waits in
// pieces of a timer's grain, since to sleep less takes a millisecond all the same.
const throttleCredit = time.Millisecond

// Throttle leaves Redis at least half of its time while an operation goes through many
// steps: before each it waits as long as the last one took, less what has passed since.
// All that works on one operation shares its Throttle, on a Redis Cluster too. The zero
// value is ready; an operation of one step never waits.
type Throttle struct {
	mu   sync.Mutex
	next time.Time // when the next step may begin
}

// Run is Client.Run of a step.
func (t *Throttle) Run(ctx context.Context, c *Client, script *Script, keys, args []string) (reply rueidis.RedisMessage, err error) {
	err = t.step(ctx, c.Clock, func() (err error) {
		reply, err = c.Run(ctx, script, keys, args)
		return err
	})
	return reply, err
}

// RunAll is Client.RunAll of a step.
func (t *Throttle) RunAll(ctx context.Context, c *Client, commands []Command) (replies []rueidis.RedisMessage, err error) {
	err = t.step(ctx, c.Clock, func() (err error) {
		replies, err = c.RunAll(ctx, commands)
		return err
	})
	return replies, err
}

// step makes a call when it is time to.
func (t *Throttle) step(ctx context.Context, clock Clock, call func() error) error {
	t.mu.Lock()
	next := t.next
	t.mu.Unlock()
	if rest := next.Sub(clock.Now()); rest > 0 {
		select {
		case <-clock.After(rest):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
	begin := clock.Now()
	err := call()
	took := clock.Now().Sub(begin)
	t.mu.Lock()
	defer t.mu.Unlock()
	if least := begin.Add(-throttleCredit); t.next.Before(least) {
		t.next = least
	}
	t.next = t.next.Add(2 * took)
	return err
}

// Clock is the time that operations are throttled by.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

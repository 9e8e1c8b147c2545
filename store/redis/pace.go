package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

// paceCredit is how far an operation may be ahead of its pace: it then waits in
// pieces of a timer's grain, since to sleep less takes a millisecond all the same.
const paceCredit = time.Millisecond

// pace leaves Redis at least half of its time while an operation goes through many
// pages: before each it waits as long as the last one took, less what has passed
// since. Calls of others thus find Redis busy with a page half of the time at most,
// and the longer they themselves keep it, the longer is the wait.
//
// All that works on one operation shares its pace, on a Redis Cluster too: the pages of
// all nodes together take half of one node's time, so they do on each.
//
// The zero value is ready; an operation of one page never waits.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next page may begin
}

// exec is Store.exec of a page.
func (p *pace) exec(ctx context.Context, s *Store, script *script, keys, args []string) (reply rueidis.RedisMessage, err error) {
	err = p.page(ctx, s, func() (err error) {
		reply, err = s.exec(ctx, script, keys, args)
		return err
	})
	return reply, err
}

// all is Store.all of a page.
func (p *pace) all(ctx context.Context, s *Store, commands []command) (replies []rueidis.RedisMessage, err error) {
	err = p.page(ctx, s, func() (err error) {
		replies, err = s.all(ctx, commands)
		return err
	})
	return replies, err
}

// page makes a call when it is time to.
func (p *pace) page(ctx context.Context, s *Store, call func() error) error {
	p.mu.Lock()
	next := p.next
	p.mu.Unlock()
	if rest := next.Sub(s.paceClock.now()); rest > 0 {
		select {
		case <-s.paceClock.after(rest):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
	begin := s.paceClock.now()
	err := call()
	took := s.paceClock.now().Sub(begin)
	p.mu.Lock()
	defer p.mu.Unlock()
	if least := begin.Add(-paceCredit); p.next.Before(least) {
		p.next = least
	}
	p.next = p.next.Add(2 * took)
	return err
}

// paceClock is the time by which operations are paced, which tests stand still.
type paceClock struct {
	now   func() time.Time
	after func(time.Duration) <-chan time.Time
}

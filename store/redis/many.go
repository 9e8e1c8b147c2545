package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

const (
	// shortestWait and longestWait are between attempts at what Redis refused since
	// a slot was moving. To move a small slot takes a few milliseconds.
	shortestWait = 2 * time.Millisecond
	longestWait  = 40 * time.Millisecond
	// together is how many calls for an app's buckets go at once, pipelined node by
	// node. Redis runs all those of a node in a row, so they are for scripts that
	// take microseconds.
	together = 64
	// maxWide is how many such go at once, beside what is in the lanes.
	maxWide = 4
	// workers is how many buckets of an app are worked on at once by scripts that
	// take a good share of a millisecond.
	workers = 4
)

// slotIsMoving reports whether Redis refused a call, without executing it, since
// of its keys some have moved to another node with their slot and some have not, or
// since nodes that have not all heard of a move sent it from one to the other.
func slotIsMoving(err error) bool {
	if errors.Is(err, rueidis.ErrNoSlot) {
		return true // nothing was sent, and the next call asks the nodes anew
	}
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	_, moved := said.IsMoved()
	return moved || said.IsTryAgain()
}

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

// command is a script call, or without a script the command that args begin with,
// with keys as its next words.
type command struct {
	script     *script
	keys, args []string
}

func (c command) build(client rueidis.Client, text bool) rueidis.Completed {
	n := int64(len(c.keys))
	switch {
	case c.script == nil:
		return client.B().Arbitrary(c.args[0]).Keys(c.keys...).Args(c.args[1:]...).Build()
	case text:
		return client.B().Eval().Script(c.script.text).Numkeys(n).Key(c.keys...).Arg(c.args...).Build()
	}
	return client.B().Evalsha().Sha1(c.script.sha).Numkeys(n).Key(c.keys...).Arg(c.args...).Build()
}

// send makes calls in one go, pipelined node by node, and again those whose script
// a node did not know.
func send(ctx context.Context, client rueidis.Client, commands []command) []rueidis.RedisResult {
	results := sendAs(ctx, client, commands, false)
	var unknown []int
	var again []command
	for i, r := range results {
		if noScript(r.Error()) {
			unknown, again = append(unknown, i), append(again, commands[i])
		}
	}
	if len(again) > 0 {
		for i, r := range sendAs(ctx, client, again, true) {
			results[unknown[i]] = r
		}
	}
	return results
}

func sendAs(ctx context.Context, client rueidis.Client, commands []command, text bool) []rueidis.RedisResult {
	built := make(rueidis.Commands, len(commands))
	for i, c := range commands {
		built[i] = c.build(client, text)
	}
	return client.DoMulti(ctx, built...)
}

// all makes calls, each of one slot, a bounded number at once. If one fails, all
// have failed.
func (s *Store) all(ctx context.Context, commands []command) ([]rueidis.RedisMessage, error) {
	replies := make([]rueidis.RedisMessage, 0, len(commands))
	for len(commands) > 0 {
		n := min(len(commands), together)
		some, errs, err := s.some(ctx, commands[:n])
		if err = cmp.Or(append(errs, err)...); err != nil {
			return nil, err
		}
		replies, commands = append(replies, some...), commands[n:]
	}
	return replies, nil
}

// some makes at most together calls at once and returns the reply or error of
// each; or err, if none was made.
func (s *Store) some(ctx context.Context, commands []command) (replies []rueidis.RedisMessage, errs []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.connector.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	select {
	case s.wide <- struct{}{}:
		defer func() { <-s.wide }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	replies, errs = make([]rueidis.RedisMessage, len(commands)), make([]error, len(commands))
	left := make([]int, len(commands))
	for i := range left {
		left[i] = i
	}
	for pause := shortestWait; ; pause = min(2*pause, longestWait) {
		attempt := make([]command, len(left))
		for i, k := range left {
			if attempt[i] = commands[k]; attempt[i].script != nil {
				attempt[i].keys = s.keys.Guard(attempt[i].keys)
			}
		}
		start := time.Now()
		results := send(ctx, conn.client, attempt)
		s.watch.RoundTrip(time.Since(start))
		var moving []int
		for i, r := range results {
			k := left[i]
			replies[k], errs[k] = r.ToMessage()
			if slotIsMoving(errs[k]) {
				moving = append(moving, k)
			}
		}
		if left = moving; len(left) == 0 || !wait(ctx, pause) {
			break
		}
	}
	for i, err := range errs {
		s.note(err)
		if err != nil {
			errs[i] = classify(err)
		}
	}
	return replies, errs, nil
}

// each calls f for each bucket, a few at once, from different ends of the slots, so
// mostly on different nodes. After an error no more is begun; what is in flight is
// not canceled (see pingCluster).
func each(ctx context.Context, buckets []layout.Bucket, f func(ctx context.Context, index int, b layout.Bucket) error) error {
	if len(buckets) == 1 {
		return f(ctx, 0, buckets[0])
	}
	var wg sync.WaitGroup
	var failed atomic.Bool
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w * len(buckets) / workers; i < (w+1)*len(buckets)/workers && !failed.Load(); i++ {
				if errs[w] = f(ctx, i, buckets[i]); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}

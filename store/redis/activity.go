package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// Activity implements store.Store. A user is in one bucket of an app, so the sum of
// the buckets is exact.
func (s *Store) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	buckets := l.Buckets(app)
	counts := make([]activityCount, len(buckets))
	for i, b := range buckets {
		counts[i] = newActivityCount(b, dt)
	}
	var active atomic.Int64
	if len(buckets) > 1 {
		// First all at once, with few hashes each: where few users were active
		// just dt seconds ago, that is all.
		commands := make([]wire.Command, len(buckets))
		for i, c := range counts {
			commands[i] = wire.Command{Script: s.scripts.activity, Keys: c.keys, Args: append(c.args[:2:2], firstHashes)}
		}
		replies, err := s.client.RunAll(ctx, commands)
		if err != nil {
			return 0, err
		}
		var bucketsLeft []layout.Bucket
		var countsLeft []activityCount
		for i := range replies {
			n, err := counts[i].take(replies[i])
			if err != nil {
				return 0, err
			}
			if n >= 0 {
				active.Add(n)
			} else {
				bucketsLeft, countsLeft = append(bucketsLeft, buckets[i]), append(countsLeft, counts[i])
			}
		}
		buckets, counts = bucketsLeft, countsLeft
	}
	err = wire.EachBucket(ctx, buckets, func(ctx context.Context, i int, _ layout.Bucket) error {
		for c := &counts[i]; ; {
			reply, err := s.client.Run(ctx, s.scripts.activity, c.keys, c.args)
			if err != nil {
				return err
			}
			n, err := c.take(reply)
			if err != nil {
				return err
			}
			if n >= 0 {
				active.Add(n)
				return nil
			}
		}
	})
	if err != nil {
		return 0, err
	}
	return active.Load(), nil
}

// activityStep is how many hashes a call reads at most: Redis is held for about a third of
// a millisecond.
const activityStep = 32

// firstHashes is how many hashes a bucket's first call may read, of many at once.
const firstHashes = "4"

// activityCount counts in steps the active users of a bucket.
type activityCount struct{ keys, args []string }

func newActivityCount(b layout.Bucket, dt int64) activityCount {
	return activityCount{
		keys: []string{b.Users()},
		args: []string{b.Prefix, strconv.FormatInt(dt, 10), strconv.Itoa(activityStep)},
	}
}

// take reads the reply for a step: the count, or -1 if there are more steps.
func (c *activityCount) take(reply rueidis.RedisMessage) (int64, error) {
	parts, err := reply.ToArray()
	if err != nil || len(parts) != 4 {
		return 0, fmt.Errorf("%w: activity: %v", errReply, err)
	}
	n, err0 := parts[0].ToInt64()
	since, err1 := parts[1].ToString()
	score, err2 := parts[2].ToString()
	member, err3 := parts[3].ToString()
	if err := cmp.Or(err0, err1, err2, err3); err != nil {
		return 0, fmt.Errorf("%w: activity: %w", errReply, err)
	}
	c.args = append(c.args[:3:3], since, score, member)
	return n, nil
}

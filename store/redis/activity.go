package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// Activity implements store.Store. A user is in one part of an app, so the sum of
// the parts is exact.
func (s *Store) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	parts := l.parts(app)
	counts := make([]activityCount, len(parts))
	for i, p := range parts {
		counts[i] = newActivityCount(p, dt)
	}
	var active atomic.Int64
	if len(parts) > 1 {
		// First all at once, with few hashes each: where few users were active
		// just dt seconds ago, that is all.
		commands := make([]command, len(parts))
		for i, c := range counts {
			commands[i] = command{script: s.scripts.activity, keys: c.keys, args: append(c.args[:2:2], firstHashes)}
		}
		replies, err := s.all(ctx, commands)
		if err != nil {
			return 0, err
		}
		var partsLeft []part
		var countsLeft []activityCount
		for i := range replies {
			n, err := counts[i].take(replies[i])
			if err != nil {
				return 0, err
			}
			if n >= 0 {
				active.Add(n)
			} else {
				partsLeft, countsLeft = append(partsLeft, parts[i]), append(countsLeft, counts[i])
			}
		}
		parts, counts = partsLeft, countsLeft
	}
	err = each(ctx, parts, func(ctx context.Context, i int, _ part) error {
		for c := &counts[i]; ; {
			reply, err := s.exec(ctx, s.scripts.activity, c.keys, c.args)
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

// firstHashes is how many hashes a part's first call may look at, of many at once.
const firstHashes = "4"

// activityCount is a count on its way through the pages of a part.
type activityCount struct{ keys, args []string }

func newActivityCount(p part, dt int64) activityCount {
	return activityCount{
		keys: []string{p.users()},
		args: []string{p.prefix, strconv.FormatInt(dt, 10), strconv.Itoa(listPageSize)},
	}
}

// take reads the reply for a page: the count, or -1 if there are more pages.
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

package list

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
	"rest-sessions/store/redis/internal/wire"
)

// A step of a page's scan looks at leastStep to mostStep entries and reads the hash of
// each, which holds Redis for some 0.15 ms at most.
const leastStep, mostStep = 10, 100

// findInApp finds a page of an app's sessions. An index entry trails the session's last
// activity by less than a minute, so it looks at the entries of the minute before the
// page's place, beside those of the page.
func (p *page) findInApp(ctx context.Context, dt int64) error {
	c := store.Cursor{LastActivity: math.MaxInt64}
	if err := p.begin(&c); err != nil {
		return err
	}
	first, err := p.scanDown(ctx, &c, dt)
	if err != nil {
		return err
	}
	entries, more := cutTo(first.All(), p.limit)
	tokens := make([]string, len(entries))
	for i, e := range entries {
		tokens[i] = e.Token.String()
	}
	if n := len(entries); n > 0 {
		c.LastActivity, c.Token = entries[n-1].LastActivity, cut(tokens[n-1])
	}
	p.end(&c, tokens, more)
	return nil
}

// scanDown scans the indexes of the app's buckets downwards until it has the first
// sessions after c, and one more than the limit. On the first page it sets c.Start.
func (p *page) scanDown(ctx context.Context, c *store.Cursor, dt int64) (*store.TopN[Entry], error) {
	l, err := p.Client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	buckets := l.Buckets(p.app)
	score, after := "", (*store.Cursor)(nil)
	if c.Start != 0 {
		score, after = strconv.FormatInt(c.LastActivity+1, 10), c
	}
	scans := make([]*scan, len(buckets))
	for i, of := range buckets {
		scans[i] = &scan{of: of, down: true, dt: dt, start: c.Start, score: score}
	}
	first := store.NewTopN(p.limit+1, LatestFirst)
	found := make([][]Entry, len(buckets))
	for size := min(mostStep, max(leastStep, 2*(p.limit+1)/len(buckets))); ; size = min(mostStep, 2*size) {
		var ahead []*scan
		var of []layout.Bucket
		for _, s := range scans {
			if more, err := s.mayFind(first); err != nil {
				return nil, err
			} else if more {
				ahead, of = append(ahead, s), append(of, s.of)
			}
		}
		if len(ahead) == 0 {
			break
		}
		err := wire.EachBucket(ctx, of, func(ctx context.Context, i int, _ layout.Bucket) (err error) {
			found[i], err = p.step(ctx, ahead[i], size, after, found[i][:0])
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range ahead {
			for _, e := range found[i] {
				first.Add(e)
			}
		}
	}
	if after == nil {
		c.Start = scans[0].start
		for _, s := range scans {
			c.Start = min(c.Start, s.start) // of the slowest node
		}
	}
	return first, nil
}

// mayFind reports whether a scan downwards may still find a session that first would keep:
// none once all that are kept were active a minute after the score that it has come to.
func (s *scan) mayFind(first *store.TopN[Entry]) (bool, error) {
	last, full := first.Last()
	if s.done || !full {
		return !s.done, nil
	}
	at, err := strconv.ParseFloat(s.score, 64)
	if err != nil {
		return false, fmt.Errorf("%w: scan: %w", reply.ErrMalformed, err)
	}
	return last.LastActivity < int64(math.Floor(at))+store.MaxWindow, nil
}

package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// One call of a scan looks at leastStep to mostStep entries and reads the hash of each,
// which holds Redis for some 0.15 ms at most.
const leastStep, mostStep = 10, 100

// ofApp finds a page of an app's sessions.
//
// An index entry trails the session's last activity by less than a minute, so it looks
// at the entries of the minute before the page's place, beside those of the page.
func (p *listPage) ofApp(ctx context.Context, dt int64) error {
	c := store.Cursor{LastActivity: math.MaxInt64}
	if err := p.begin(&c); err != nil {
		return err
	}
	l, err := p.s.layout(ctx)
	if err != nil {
		return err
	}
	first, err := p.scanDown(ctx, l.Buckets(p.app), &c, dt)
	if err != nil {
		return err
	}
	entries, more := cutTo(first.All(), p.limit)
	tokens := make([]string, len(entries))
	for i, e := range entries {
		tokens[i] = e.token.String()
	}
	if n := len(entries); n > 0 {
		c.LastActivity, c.Token = entries[n-1].la, cut(tokens[n-1])
	}
	p.end(&c, tokens, more)
	return nil
}

// byActivity is the order of compareEntries, by what a cursor has of a token.
func byActivity(a, b entry) int {
	return cmp.Or(cmp.Compare(b.la, a.la), headOf(b.token).compare(headOf(a.token)))
}

// indexScan goes down the index of a bucket.
type indexScan struct {
	of            layout.Bucket
	score, member string // of the entry after which it goes on, "" at the top
	done          bool
	now           int64   // by the node's clock
	entries       []entry // found by the last step
}

// scanDown scans the indexes of an app's buckets downwards until it has the first sessions
// after c, and one more than the limit.
func (p *listPage) scanDown(ctx context.Context, buckets []layout.Bucket, c *store.Cursor, dt int64) (*store.TopN[entry], error) {
	score := ""
	if c.Start != 0 {
		score = strconv.FormatInt(c.LastActivity+1, 10)
	}
	size := min(mostStep, max(leastStep, 2*(p.limit+1)/len(buckets)))
	scans := make([]*indexScan, len(buckets))
	for i, of := range buckets {
		scans[i] = &indexScan{of: of, score: score}
	}
	first := store.NewTopN(p.limit+1, byActivity)
	after := *c // where the page begins; c.Start is set by the first step
	for ; ; size = min(mostStep, 2*size) {
		var ahead []*indexScan
		var of []layout.Bucket
		for _, scan := range scans {
			if more, err := scan.ahead(first); err != nil {
				return nil, err
			} else if more {
				ahead, of = append(ahead, scan), append(of, scan.of)
			}
		}
		if len(ahead) == 0 {
			return first, nil
		}
		err := each(ctx, of, func(ctx context.Context, i int, _ layout.Bucket) error {
			return p.step(ctx, ahead[i], &after, dt, size)
		})
		if err != nil {
			return nil, err
		}
		for _, scan := range ahead {
			if after.Start == 0 && (c.Start == 0 || scan.now < c.Start) {
				c.Start = scan.now // of the slowest node
			}
			for _, e := range scan.entries {
				first.Add(e)
			}
		}
	}
}

// ahead reports whether scan may still find a session that first would keep: none once all
// that are kept were active a minute after the score that it has come to.
func (scan *indexScan) ahead(first *store.TopN[entry]) (bool, error) {
	last, full := first.Last()
	if scan.done || !full {
		return !scan.done, nil
	}
	at, err := strconv.ParseFloat(scan.score, 64)
	if err != nil {
		return false, fmt.Errorf("%w: latest: %w", errReply, err)
	}
	return last.la < int64(math.Floor(at))+store.MaxWindow, nil
}

// step takes scan a step on.
func (p *listPage) step(ctx context.Context, scan *indexScan, after *store.Cursor, dt int64, size int) error {
	args := []string{scan.of.Prefix, strconv.FormatInt(dt, 10), strconv.Itoa(size), strconv.FormatInt(after.Start, 10), scan.score, scan.member}
	if after.Start != 0 {
		args = append(args, strconv.FormatInt(after.LastActivity, 10), after.Token)
	}
	reply, err := p.call(ctx, p.s.scripts.latest, 4, []string{scan.of.Sessions()}, args)
	if err != nil {
		return err
	}
	if scan.now, err = strconv.ParseInt(reply[0], 10, 64); err != nil {
		return fmt.Errorf("%w: latest: %w", errReply, err)
	}
	scan.score, scan.member, scan.done = reply[1], reply[2], reply[1] == ""
	scan.entries, err = appendEntries(scan.entries[:0], reply[3])
	return err
}

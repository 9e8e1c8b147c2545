package redis

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// SessionsOfApp implements store.Store.
func (s *Store) SessionsOfApp(_ context.Context, app string, dt int64) store.List {
	p := &appList{dt: dt}
	p.begin(s, strings.Clone(app), nobody)
	return p
}

// appList first finds all sessions of the list, 56 bytes each, since the latest
// may stand anywhere in an index that is exact to the minute; then it reads them
// chunk by chunk.
type appList struct {
	listReader
	dt      int64
	start   int64      // by Redis' clock, of all nodes' the first; 0 until entries are found
	entries entryLists // still to be read, but for those of left
}

func (p *appList) Next(ctx context.Context) ([]store.Session, error) {
	if p.start == 0 {
		if err := p.find(ctx, p.dt, nil); err != nil {
			return nil, err
		}
	}
	for {
		for len(p.left) < chunkSize && len(p.entries) > 0 {
			p.left = append(p.left, p.entries.take().token.String())
		}
		if len(p.left) == 0 {
			if len(p.missing) == 0 {
				return nil, io.EOF
			}
			// The index tells, since a rotation counts as activity.
			if err := p.find(ctx, 0, p.takeMissing()); err != nil {
				return nil, err
			}
			continue
		}
		if chunk, err := p.read(ctx); err != nil || len(chunk) > 0 {
			return chunk, err
		}
	}
}

// find finds the entries: the sessions that were active at most dt seconds before the
// start; only those of which only has the heads, if it is not nil.
func (p *appList) find(ctx context.Context, dt int64, only heads) error {
	l, err := p.s.layout(ctx)
	if err != nil {
		return err
	}
	buckets := l.Buckets(p.app)
	lists := make([][]entry, len(buckets))
	var mu sync.Mutex
	begun, first := p.start, int64(0)
	err = each(ctx, buckets, func(ctx context.Context, i int, of layout.Bucket) error {
		entries, start, err := p.scan(ctx, of, dt, begun, only)
		if err != nil {
			return err
		}
		lists[i] = inOrder(entries, start-2*backBy)
		mu.Lock()
		defer mu.Unlock()
		if first == 0 || start < first {
			first = start
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.start, p.entries = first, newEntryLists(lists)
	return nil
}

// A Node server writes scores of whole seconds: touching a session in the same second as
// we do, it moves the entry back by less than one, perhaps behind a scan that has not seen
// it yet. So what may have moved during a scan is scanned again, at most maxRescans times,
// until one step holds all of it. To be missed, an entry must move on and back in each.
const (
	maxRescans = 3
	// backBy is how many seconds before a scan an entry may stand that moved during it:
	// one for the fractions, one for our clock and Redis'.
	backBy = 2
)

// scan scans the index of a bucket and returns its entries, and when it began. If start
// is not 0, it began then.
func (p *appList) scan(ctx context.Context, of layout.Bucket, dt, start int64, only heads) (entries []entry, _ int64, err error) {
	began := p.s.client.Clock.Now()
	from := began // when the scan that is on began
	steps, start, err := p.scanFrom(ctx, of, dt, start, "", only, &entries)
	for n := 0; n < maxRescans && steps > 1 && err == nil; n++ {
		score := start + int64(from.Sub(began)/time.Second) - backBy
		from = p.s.client.Clock.Now()
		steps, _, err = p.scanFrom(ctx, of, dt, start, strconv.FormatInt(score, 10), only, &entries)
	}
	return entries, start, err
}

// scanFrom scans from a score on, "" for the least that may be listed. It returns the
// number of steps, and start, or when it began if that is 0.
func (p *appList) scanFrom(ctx context.Context, of layout.Bucket, dt, start int64, score string, only heads, to *[]entry) (steps int, _ int64, _ error) {
	keys := []string{of.Sessions()}
	args := []string{of.Prefix, strconv.FormatInt(dt, 10), strconv.Itoa(chunkSize)}
	if start != 0 {
		args = append(args, strconv.FormatInt(start, 10), score, "")
	}
	entries := *to
	for more := true; more; steps++ {
		reply, err := p.throttle.Run(ctx, p.s.client, p.s.scripts.soapp, keys, args)
		if err != nil {
			return 0, 0, err
		}
		parts, err := reply.ToArray()
		if err != nil || len(parts) != 5 {
			return 0, 0, fmt.Errorf("%w: soapp: %v", errReply, err)
		}
		began, err1 := parts[0].ToInt64()
		ahead, err2 := parts[1].ToInt64()
		score, err3 := parts[2].ToString()
		member, err4 := parts[3].ToString()
		text, err5 := parts[4].ToString()
		if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
			return 0, 0, fmt.Errorf("%w: soapp: %v", errReply, err)
		}
		if entries == nil && only == nil {
			// All at once, growing would hold it twice; and some for those met twice.
			entries = make([]entry, 0, max(0, ahead+ahead/16))
		}
		before := len(entries)
		if entries, err = appendEntries(entries, text); err != nil {
			return 0, 0, err
		}
		if only != nil {
			others := func(h entry) bool { return !only.has(h.token) }
			entries = entries[:before+len(slices.DeleteFunc(entries[before:], others))]
		}
		more, start = member != "", began
		args = append(args[:3:3], strconv.FormatInt(start, 10), score, member)
	}
	*to = entries
	return steps, start, nil
}

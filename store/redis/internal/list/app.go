package list

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// appList first finds all sessions of an app's list, 56 bytes each, since the latest may
// stand anywhere in an index that is exact to the minute; then it reads them chunk by
// chunk.
type appList struct {
	reader
	dt      int64
	start   int64      // by Redis' clock, of all nodes' the first; 0 until entries are found
	entries entryLists // still to be read, but for those of left
}

// Next implements store.List.
func (a *appList) Next(ctx context.Context) ([]store.Session, error) {
	if a.start == 0 {
		if err := a.find(ctx, a.dt, nil); err != nil {
			return nil, err
		}
	}
	for {
		for len(a.left) < ChunkSize && len(a.entries) > 0 {
			a.left = append(a.left, a.entries.take().Token.String())
		}
		if len(a.left) == 0 {
			if len(a.missing) == 0 {
				return nil, io.EOF
			}
			// The index has them, since a rotation counts as activity.
			if err := a.find(ctx, 0, a.takeMissing()); err != nil {
				return nil, err
			}
			continue
		}
		if chunk, err := a.read(ctx); err != nil || len(chunk) > 0 {
			return chunk, err
		}
	}
}

// find finds the entries: the sessions that were active at most dt seconds before the
// start; only those of which only has the heads, if it is not nil.
func (a *appList) find(ctx context.Context, dt int64, only heads) error {
	l, err := a.Client.Layout(ctx)
	if err != nil {
		return err
	}
	buckets := l.Buckets(a.app)
	lists := make([][]Entry, len(buckets))
	var mu sync.Mutex
	first := int64(0)
	err = wire.EachBucket(ctx, buckets, func(ctx context.Context, i int, of layout.Bucket) error {
		s := scan{of: of, dt: dt, start: a.start}
		entries, err := a.scanUp(ctx, &s, only)
		if err != nil {
			return err
		}
		lists[i] = inOrder(entries, s.start-2*backBy)
		mu.Lock()
		defer mu.Unlock()
		if first == 0 || s.start < first {
			first = s.start
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.start, a.entries = first, newEntryLists(lists)
	return nil
}

// A Node server writes scores of whole seconds: if it touches a session in the same second
// as we do, the entry moves back by less than one, perhaps behind a scan that has not seen
// it yet. So what may have moved during a scan is scanned again, at most maxRescans times,
// until one step holds all of it. To be missed, an entry must move on and back in each.
const (
	maxRescans = 3
	// backBy is how many seconds before a scan an entry may stand that moved during it:
	// one for the fractions, one for our clock and Redis'.
	backBy = 2
)

// scanUp returns the entries of a bucket, some of them twice.
func (a *appList) scanUp(ctx context.Context, s *scan, only heads) ([]Entry, error) {
	began := a.Client.Clock.Now()
	from := began // when the last scan began
	entries, steps, err := a.scanAll(ctx, s, only, nil)
	for n := 0; n < maxRescans && steps > 1 && err == nil; n++ {
		score := s.start + int64(from.Sub(began)/time.Second) - backBy
		from = a.Client.Clock.Now()
		again := scan{of: s.of, dt: s.dt, start: s.start, score: strconv.FormatInt(score, 10)}
		entries, steps, err = a.scanAll(ctx, &again, only, entries)
	}
	return entries, err
}

// scanAll takes all steps of s, appends what it finds to entries, and returns how many
// steps those were.
func (a *appList) scanAll(ctx context.Context, s *scan, only heads, entries []Entry) (_ []Entry, steps int, err error) {
	others := func(e Entry) bool { return !only.has(e.Token) }
	for ; !s.done; steps++ {
		before := len(entries)
		if entries, err = a.step(ctx, s, ChunkSize, nil, entries); err != nil {
			return nil, 0, err
		}
		if only != nil {
			entries = entries[:before+len(slices.DeleteFunc(entries[before:], others))]
		} else if steps == 0 {
			// Room for all at once, since growing would hold them twice; and for some
			// that are found twice.
			entries = slices.Grow(entries, max(0, int(s.ahead+s.ahead/16)-len(entries)))
		}
	}
	return entries, steps, nil
}

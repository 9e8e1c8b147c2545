package migrate

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// burst is the most sessions that are read at once, a chunk.
const burst = 200

// pass copies what is new, or was used since the last pass began.
func (m *migration) pass(ctx context.Context, title string) (tally, error) {
	var t tally
	if err := m.beginPass(ctx); err != nil {
		return t, err
	}
	var total int64
	err := m.eachBucket(ctx, &m.from.side, func(b layout.Bucket) error {
		score, _ := m.beginOf(b.App)
		n, err := m.from.size(ctx, b, score)
		total += n
		return err
	})
	if err != nil {
		return t, err
	}
	m.Progress.Begin(title, total)
	defer m.Progress.End()
	for _, app := range m.known() {
		if err := m.noteApp(ctx, app); err != nil {
			return t, err
		}
		buckets, err := m.from.buckets(ctx, app)
		if err != nil {
			return t, err
		}
		for _, b := range buckets {
			if err := m.copyBucket(ctx, b, &t); err != nil {
				m.saveAtEnd(ctx)
				return t, err
			}
		}
	}
	return t, m.endPass(ctx)
}

// eachBucket calls f for the buckets of all apps in a store.
func (m *migration) eachBucket(ctx context.Context, s *side, f func(layout.Bucket) error) error {
	for _, app := range m.known() {
		buckets, err := s.buckets(ctx, app)
		if err != nil {
			return err
		}
		for _, b := range buckets {
			if err := m.persist(ctx, func() error { return f(b) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// parallel is how many chunks are written at once, or buckets looked at.
const parallel = 8

// fetched are chunks that were read while those before them were written.
type fetched struct {
	chunks []chunk
	more   bool // whether the scan continues after them
	err    error
}

// fetch reads the next chunks of a bucket.
func (m *migration) fetch(ctx context.Context, b layout.Bucket, at position) (f fetched) {
	_, since := m.beginOf(b.App)
	for f.more = true; f.more && len(f.chunks) < parallel; at = f.chunks[len(f.chunks)-1].Next {
		var chunk chunk
		err := m.persist(ctx, func() (err error) {
			chunk, err = m.from.export(ctx, b, at, since)
			return err
		})
		if err != nil {
			f.err = fmt.Errorf("--from: %w", err)
			return f
		}
		f.chunks = append(f.chunks, chunk)
		f.more = m.goesOn(chunk.Next)
	}
	return f
}

// copyBucket scans a bucket of an app from where an earlier run left it.
func (m *migration) copyBucket(ctx context.Context, b layout.Bucket, t *tally) error {
	at, done := m.position(b)
	if done {
		return nil
	}
	next := make(chan fetched, 1)
	go func() { next <- m.fetch(ctx, b, at) }()
	for more := true; more; {
		f := <-next
		if f.err != nil {
			return f.err
		}
		last := f.chunks[len(f.chunks)-1].Next
		if more = f.more; more {
			go func() { next <- m.fetch(ctx, b, last) }()
		}
		tallies := make([]tally, len(f.chunks))
		err := each(f.chunks, func(i int, chunk chunk) error { return m.copyChunk(ctx, b.App, chunk, &tallies[i]) })
		if err == nil {
			m.setPosition(b.Prefix, last, !more)
			err = m.savePositions(ctx, false)
		}
		if err != nil {
			if more {
				<-next
			}
			return err
		}
		for i := range tallies {
			t.merge(&tallies[i])
		}
	}
	return nil
}

// each calls f for all items, a few at once, and returns the first error.
func each[T any](items []T, f func(i int, item T) error) error {
	errs := make([]error, len(items))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(parallel, len(items)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(items); i = int(next.Add(1)) - 1 {
				if errs[i] = f(i, items[i]); errs[i] != nil {
					next.Store(int64(len(items)))
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// goesOn reports whether the scan continues. What was used after the pass began is for
// the next one, so that a busy app cannot make it endless.
func (m *migration) goesOn(next position) bool {
	if next.Score == "" {
		return false
	}
	score, err := strconv.ParseFloat(next.Score, 64)
	return err != nil || score <= float64(m.state.start+overlap)
}

// copyChunk copies a chunk.
func (m *migration) copyChunk(ctx context.Context, app string, chunk chunk, t *tally) error {
	read := len(chunk.Live) + len(chunk.Bad)
	if err := m.limit.WaitN(ctx, min(read+(chunk.Looked-read)/5, burst)); err != nil {
		return err
	}
	t.expired += chunk.Expired
	for _, bad := range chunk.Bad {
		t.bad++
		if m.named.Add(1) <= namedAtMost {
			m.Logf("%s: the session %s… cannot be read as it is stored, and is left out", app, start(bad.Member))
		}
	}
	here := make([]session, 0, len(chunk.Live))
	for _, raw := range chunk.Live {
		belongs, err := m.to.belongs(ctx, raw.Token, raw.ID)
		if err != nil {
			return err
		}
		if belongs {
			here = append(here, raw)
		} else {
			t.unmarked++
		}
	}
	var copied []outcome
	err := m.persist(ctx, func() (err error) {
		copied, err = m.to.copySessions(ctx, app, here, m.ahead, m.DryRun)
		return err
	})
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	for i, c := range copied {
		t.add(c)
		if c == copiedNothing && m.named.Add(1) <= namedAtMost {
			m.Logf("%s: in the target there is another session with the token %s…, which stays", app, start(here[i].Token))
		}
	}
	m.advance(chunk.Looked)
	return nil
}

// advance shows that n more were looked at.
func (m *migration) advance(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Progress.Add(int64(n))
}

// namedAtMost bounds how many sessions are named of those that something is wrong with.
const namedAtMost = 20

// start is as much of a session's entry in an index, its token and id, as may be shown.
func start(member string) string {
	if len(member) < store.TokenLen || !store.ValidToken(member[:store.TokenLen]) {
		return "" // it may be anything, also an id
	}
	return member[:6]
}

// tally counts what a pass did.
type tally struct {
	fresh, newer, same, ended, changed, both, other int
	expired, bad, unmarked                          int
}

func (t *tally) merge(u *tally) {
	t.fresh, t.newer, t.same, t.ended = t.fresh+u.fresh, t.newer+u.newer, t.same+u.same, t.ended+u.ended
	t.changed, t.both, t.other = t.changed+u.changed, t.both+u.both, t.other+u.other
	t.expired, t.bad, t.unmarked = t.expired+u.expired, t.bad+u.bad, t.unmarked+u.unmarked
}

func (t *tally) add(c outcome) {
	switch c {
	case copiedNew:
		t.fresh++
	case copiedNewer:
		t.newer++
	case copiedSame:
		t.same++
	case copyEnded:
		t.ended++
	case copyChanged:
		t.changed++
	case copiedBoth:
		t.both++
	default:
		t.other++
	}
}

func (t tally) String() string {
	text := fmt.Sprintf("%d copied, %d brought up to date, %d as they are", t.fresh, t.newer, t.same)
	for _, c := range []struct {
		n    int
		what string
	}{
		{t.expired, "expired"},
		{t.ended, "not made again, since they ended in the target"},
		{t.changed, "left, since they were used in the target"},
		{t.both, "left, since they were used in both"},
		{t.other, "left, since the target has another of that token"},
		{t.unmarked, "left out, since their token was not made by this server"},
		{t.bad, "left out, since they cannot be read"},
	} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return text
}

// persist calls f again, for a while, when a Redis cannot be used. All that f does can
// be done twice.
func (m *migration) persist(ctx context.Context, f func() error) error {
	return m.persistFor(ctx, patience, f)
}

func (m *migration) persistFor(ctx context.Context, patience time.Duration, f func() error) error {
	deadline := time.Now().Add(patience)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := f()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || !unavailable(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patience is how long a Redis may be away: for as long as it takes to elect another
// master, and some more. It is a variable for tests.
var patience = 30 * time.Second

// firstPatience is how long it may be away at the start.
const firstPatience = 3 * time.Second

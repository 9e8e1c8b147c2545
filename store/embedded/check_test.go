package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"rest-sessions/store"
)

// stepContext runs a function each time it is asked for its error, which a
// method does at its start and between steps. So what happens between two steps
// is told, not left to the scheduler.
type stepContext struct {
	context.Context
	step func() error
}

func (c stepContext) Err() error { return c.step() }

func atEachStep(f func()) context.Context {
	return stepContext{context.Background(), func() error { f(); return nil }}
}

// testClock is a clock that a test moves.
type testClock struct{ now int64 }

func newTestStore() (*Store, *testClock) {
	clock := &testClock{1_700_000_000}
	return New(Options{Now: func() int64 { return clock.now }}), clock
}

func create(t testing.TB, s *Store, app string, n store.New) string {
	t.Helper()
	if n.IP == "" {
		n.IP = "192.168.1.1"
	}
	if n.TTL == 0 {
		n.TTL = store.DefaultTTL
	}
	token := store.NewToken(n.ID)
	if _, err := s.Create(context.Background(), app, token, n); err != nil {
		t.Fatal(err)
	}
	return token
}

// all reads a list to its end.
func all(t testing.TB, ctx context.Context, p store.List) (list []store.Session) {
	t.Helper()
	for {
		chunk, err := p.Next(ctx)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk) == 0 || len(chunk) > chunkLen {
			t.Fatalf("a chunk of %d sessions", len(chunk))
		}
		list = append(list, chunk...)
	}
}

// check fails the test unless every shard is consistent.
func (s *Store) check(t *testing.T) {
	t.Helper()
	for i := range s.shards {
		if err := s.shards[i].check(); err != nil {
			t.Fatalf("shard %d: %v", i, err)
		}
	}
}

func (sh *shard) check() error {
	sessions, err := sh.sessions.check()
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	users, err := sh.users.check()
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	apps, err := sh.apps.check()
	if err != nil {
		return fmt.Errorf("apps: %w", err)
	}
	old, err := sh.aliases.table.check()
	if err != nil {
		return fmt.Errorf("aliases: %w", err)
	}
	inOrder := 0
	for at := sh.aliases.oldest; at != 0; at = sh.aliases.table.at(at).next {
		if inOrder++; sh.aliases.table.at(at).next == 0 && at != sh.aliases.newest {
			return errors.New("aliases that do not end with the newest")
		}
	}
	if inOrder != len(old) || (inOrder == 0) != (sh.aliases.newest == 0) {
		return fmt.Errorf("%d aliases in order of %d", inOrder, len(old))
	}
	if sh.timers.n != len(sessions) {
		return fmt.Errorf("%d timers for %d sessions", sh.timers.n, len(sessions))
	}
	ofApp, ofUser := map[uint32]int{}, map[uint32]int{}
	for _, slot := range sessions {
		rec := sh.sessions.at(slot)
		tm := sh.timers.at(int(rec.timerPos))
		if tm.slot != slot {
			return errors.New("a session whose timer is another's")
		}
		if parent := sh.timers.at((int(rec.timerPos) - 1) / 2); rec.timerPos > 0 && parent.at() > tm.at() {
			return errors.New("a timer below a later one")
		}
		if tm.at() > rec.wipeAt() {
			return errors.New("a timer that is late")
		}
		if !sh.users.used(rec.user) {
			return errors.New("a session without user")
		}
		ofUser[rec.user]++
		u := sh.users.at(rec.user)
		if sh.sessions.at(u.newest).id() != rec.id() {
			return errors.New("a session under another user")
		}
		if sh.sessions.at(rec.newer).older != slot || sh.sessions.at(rec.older).newer != slot {
			return errors.New("a broken ring")
		}
		if slot != u.newest && sh.sessions.at(rec.newer).serial < rec.serial {
			return errors.New("a ring out of order")
		}
		a := sh.apps.at(u.app)
		ofApp[u.app]++
		if *a.sessions.at(int(rec.appPos)) != slot {
			return errors.New("an app's list that has another session in a session's place")
		}
	}
	if len(ofUser) != len(users) || len(ofApp) != len(apps) {
		return errors.New("users or apps without session")
	}
	seconds := map[uint32]map[int64]int64{}
	for _, slot := range users {
		u := sh.users.at(slot)
		n := 1
		for at := sh.sessions.at(u.newest).older; at != u.newest; at = sh.sessions.at(at).older {
			n++
		}
		if n != ofUser[slot] {
			return fmt.Errorf("a ring of %d for %d sessions", n, ofUser[slot])
		}
		if seconds[u.app] == nil {
			seconds[u.app] = map[int64]int64{}
		}
		seconds[u.app][u.lastActivity]++
	}
	for _, slot := range apps {
		a := sh.apps.at(slot)
		if a.sessions.n != ofApp[slot] {
			return fmt.Errorf("an app's list of %d for %d sessions", a.sessions.n, ofApp[slot])
		}
		if err := a.activity.check(seconds[slot]); err != nil {
			return err
		}
	}
	return nil
}

// check returns the slots in use, found by hash.
func (t *table[T]) check() (slots []uint32, err error) {
	for b := range t.heads.n {
		for slot := *t.heads.at(b); slot != 0; slot = t.link(slot).next {
			if t.bucket(t.link(slot).hash) != b {
				return nil, errors.New("a record in another's bucket")
			}
			if !t.used(slot) {
				return nil, errors.New("a free record in a bucket")
			}
			slots = append(slots, slot)
		}
	}
	if len(slots) != t.len() {
		return nil, fmt.Errorf("%d records in %d buckets", len(slots), t.len())
	}
	used, empty := 0, 0
	for i := range t.slabs {
		ref := &t.slabs[i]
		if ref.slab == nil {
			continue
		}
		n := 0
		for slot := range uint32(slabLen) {
			if t.used(uint32(i)<<slotBits | slot + 1) {
				n++
			}
		}
		if used += n; n == 0 {
			empty++
		}
		if n < slabLen && t.partial[ref.at] != uint32(i) {
			return nil, errors.New("a slab with room that is not in partial")
		}
	}
	if used != t.len() || empty > 1 {
		return nil, fmt.Errorf("%d records in use of %d, %d empty slabs", used, t.len(), empty)
	}
	return slots, nil
}

// check compares the log with the users counted in each second.
func (l *activityLog) check(want map[int64]int64) error {
	last, users := int64(-1<<63), int64(0)
	for _, e := range l.seconds {
		if e.at <= last || e.users != want[e.at] || e.users == 0 {
			return fmt.Errorf("%d users in second %d after %d, want %d", e.users, e.at, last, want[e.at])
		}
		users += e.users
		last = e.at
	}
	if len(l.seconds) != len(want) || users != l.users {
		return fmt.Errorf("%d seconds of %d users, want %d, %d", len(l.seconds), l.users, len(want), users)
	}
	return nil
}

// random does one random operation on a few apps and users.
func random(t *testing.T, s *Store, clock *testClock, rnd *rand.Rand, tokens *[]string) {
	t.Helper()
	ctx := context.Background()
	app := []string{"app", "shop", "u10"}[rnd.IntN(3)]
	id := fmt.Sprint("u", rnd.IntN(30))
	some := store.NewToken(id)
	if len(*tokens) > 0 {
		some = (*tokens)[rnd.IntN(len(*tokens))]
	}
	var err error
	switch n := rnd.IntN(1000); {
	case n < 300:
		n := store.New{ID: id, TTL: 10 + rnd.Int64N(1000), NoResave: rnd.IntN(4) == 0}
		if rnd.IntN(4) == 0 {
			n.MaxAge = 10 + rnd.Int64N(1000)
		}
		if rnd.IntN(4) == 0 {
			n.MaxSessions = 1 + rnd.IntN(10)
		}
		*tokens = append(*tokens, create(t, s, app, n))
	case n < 600:
		_, err = s.Get(ctx, app, some)
	case n < 700:
		_, err = s.Set(ctx, app, some, store.Data{{Key: `"a"`, Value: "1"}})
	case n < 850:
		_, err = s.Kill(ctx, app, some)
	case n < 860:
		_, err = s.KillID(ctx, app, id, "")
	case n < 865:
		_, err = s.KillID(ctx, app, id, some)
	case n < 867:
		_, err = s.KillApp(ctx, app)
	case n < 872:
		var token string
		if token, _, err = s.Rotate(ctx, app, some, store.NewTokenLike(some), rnd.Int64N(61)); err == nil {
			*tokens = append(*tokens, token)
		}
	case n < 880:
		_, err = s.Wipe(ctx)
	case n < 890:
		clock.now -= rnd.Int64N(100)
	default:
		clock.now += rnd.Int64N(20)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
}

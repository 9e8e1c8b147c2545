package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/store"
)

// ledger drives a store with a mix of operations while something happens to its
// servers, and holds each answer against what was acknowledged. An error that is
// not store.ErrUnavailable is a fault, and so is an answer that no order of what
// was acknowledged and of what may have happened explains.
type ledger struct {
	t *testing.T
	s *Store

	mu      sync.Mutex
	entries []*ledgerEntry
	// seeded is how many sessions seed made, two a user, in app0.
	seeded int
	// lossy is, for what was on a master that was killed without warning, when it
	// was.
	lossy map[int]time.Time

	calls, unavailable atomic.Int64
	// unexpected counts errors on sessions whose master nobody touched.
	unexpected atomic.Int64
	troubled   func(slot int) bool
	slowest    atomic.Int64 // of those that succeeded, in nanoseconds
}

// absent is the state of a session that is not there; other states are the number
// in its data.
const absent = -1

// ledgerEntry is what is known of one session. Only its worker uses the session, one call
// after the other.
type ledgerEntry struct {
	app, id, token string
	slot           int

	mu sync.Mutex
	// may holds the states in which the next read may find it.
	may map[int]bool
	// past holds what may was before each change.
	past []pastState
	next int
}

type pastState struct {
	until time.Time
	may   map[int]bool
}

func newLedger(t *testing.T, s *Store, troubled func(slot int) bool) *ledger {
	return &ledger{t: t, s: s, lossy: map[int]time.Time{}, troubled: troubled}
}

const (
	ledgerWorkers = 8
	// lossWindow is how far a replica may trail its master on a loaded machine.
	lossWindow = time.Second
)

// run drives the mix until ctx ends.
func (l *ledger) run(ctx context.Context) {
	var wg sync.WaitGroup
	for w := range ledgerWorkers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			var mine []*ledgerEntry
			for ctx.Err() == nil {
				// Below what two cores can bear, so that servers hear each other.
				time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
				if len(mine) < 20 || r.IntN(20) == 0 {
					mine = append(mine, l.create(w, r))
					continue
				}
				e := mine[r.IntN(len(mine))]
				switch n := r.IntN(100); {
				case n < 55:
					l.get(e)
				case n < 85:
					l.set(e)
				case n < 90:
					l.kill(e)
				default:
					l.soid(e, mine)
				}
			}
		})
	}
	wg.Wait()
}

// call makes one call on e and says whether it was answered. A fault ends the test.
func (l *ledger) call(e *ledgerEntry, what string, f func(context.Context) error) (found, answered bool) {
	start := time.Now()
	err := f(context.Background())
	l.calls.Add(1)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		l.unavailable.Add(1)
		if !l.troubled(e.slot) {
			if l.unexpected.Add(1) < 5 {
				l.t.Errorf("%s in slot %d, after %v: %v", what, e.slot, time.Since(start), err)
			}
		}
		return false, false
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		l.t.Errorf("%s: %v", what, err)
		return false, false
	}
	for took := int64(time.Since(start)); ; {
		longest := l.slowest.Load()
		if took <= longest || l.slowest.CompareAndSwap(longest, took) {
			break
		}
	}
	return err == nil, true
}

// saw takes note that a call begun at start found e in state.
func (l *ledger) saw(e *ledgerEntry, start time.Time, what string, state int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.may[state] {
		l.t.Errorf("%s of %s, slot %d: state %d, where only %v can be", what, e.token[:8], e.slot, state, slices.Sorted(maps.Keys(e.may)))
	}
	l.become(e, start, state)
}

// become takes note that a call begun at start left e in state. e.mu is held.
func (l *ledger) become(e *ledgerEntry, start time.Time, state int) {
	l.mu.Lock()
	killed := l.lossy[e.slot]
	l.mu.Unlock()
	if start.Before(killed) { // what it did may be lost
		e.may[state] = true
		return
	}
	e.past = append(e.past, pastState{time.Now(), e.may})
	e.may = map[int]bool{state: true}
}

// maybe takes note that a call may have left e in state.
func (e *ledgerEntry) maybe(state int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.may[state] = true
}

func (l *ledger) create(w int, r *rand.Rand) *ledgerEntry {
	e := &ledgerEntry{app: "app" + strconv.Itoa(r.IntN(2)), id: fmt.Sprintf("user%d-%d", w, r.IntN(40)), may: map[int]bool{absent: true, 0: true}}
	e.token = store.NewToken(e.id)
	lay, err := l.s.layout(context.Background())
	if err != nil {
		l.t.Error(err)
	}
	e.slot = lay.OfToken(e.app, e.token).Slot
	l.mu.Lock()
	l.entries = append(l.entries, e)
	l.mu.Unlock()
	start := time.Now()
	_, ok := l.call(e, "create", func(ctx context.Context) error {
		n := store.New{ID: e.id, IP: "::1", TTL: 7200, Data: number(0)}
		_, err := l.s.Create(ctx, e.app, e.token, n)
		return err
	})
	if ok {
		e.mu.Lock()
		l.become(e, start, 0)
		e.mu.Unlock()
	}
	return e
}

func number(n int) store.Data { return store.Data{{Key: `"n"`, Value: strconv.Itoa(n)}} }

// numberIn returns the state that a session says.
func (l *ledger) numberIn(s store.Session) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(s.D, `{"n":`), "}"))
	if err != nil {
		l.t.Errorf("a session with the data %q", s.D)
	}
	return n
}

func (l *ledger) get(e *ledgerEntry) {
	var got store.Session
	start := time.Now()
	found, ok := l.call(e, "get", func(ctx context.Context) (err error) {
		got, err = l.s.Get(ctx, e.app, e.token)
		return err
	})
	switch {
	case !ok:
	case !found:
		l.saw(e, start, "get", absent)
	case got.ID != e.id:
		l.t.Errorf("%s got the session of %s", e.id, got.ID)
	default:
		l.saw(e, start, "get", l.numberIn(got))
	}
}

func (l *ledger) set(e *ledgerEntry) {
	e.next++
	n := e.next
	var got store.Session
	start := time.Now()
	found, ok := l.call(e, "set", func(ctx context.Context) (err error) {
		got, err = l.s.Set(ctx, e.app, e.token, number(n))
		return err
	})
	switch {
	case !ok:
		e.maybe(n)
	case !found:
		l.saw(e, start, "set", absent)
	case l.numberIn(got) != n:
		l.t.Errorf("set to %d answers %q", n, got.D)
	default:
		e.mu.Lock()
		if len(e.may) == 1 && e.may[absent] {
			l.t.Errorf("set of %s, which is not there, worked", e.token[:8])
		}
		l.become(e, start, n)
		e.mu.Unlock()
	}
}

func (l *ledger) kill(e *ledgerEntry) {
	killed := false
	start := time.Now()
	_, ok := l.call(e, "kill", func(ctx context.Context) (err error) {
		killed, err = l.s.Kill(ctx, e.app, e.token)
		return err
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !ok:
		e.may[absent] = true
	case killed && len(e.may) == 1 && e.may[absent]:
		l.t.Errorf("kill of %s, which is not there, found it", e.token[:8])
	case !killed && !e.may[absent]:
		l.t.Errorf("kill did not find %s, slot %d", e.token[:8], e.slot)
	}
	if ok {
		l.become(e, start, absent)
	}
}

// soid holds the list of e's user against all entries of that user.
func (l *ledger) soid(e *ledgerEntry, mine []*ledgerEntry) {
	var got []store.Session
	_, ok := l.call(e, "soid", func(ctx context.Context) (err error) {
		got, err = readList(ctx, l.s.SessionsOfID(ctx, e.app, e.id))
		return err
	})
	if !ok {
		return
	}
	// The list tells no tokens: so each session in it must be one that may be, and
	// there must be enough of them.
	least, most, may := 0, 0, map[int]bool{}
	for _, other := range mine {
		if other.app != e.app || other.id != e.id {
			continue
		}
		other.mu.Lock()
		if !other.may[absent] {
			least++
		}
		if len(other.may) > 1 || !other.may[absent] {
			most++
		}
		maps.Copy(may, other.may)
		other.mu.Unlock()
	}
	if len(got) < least || len(got) > most {
		l.t.Errorf("soid of %s, slot %d: %d sessions, where there are %d to %d", e.id, e.slot, len(got), least, most)
	}
	for _, session := range got {
		if n := l.numberIn(session); !may[n] || session.ID != e.id {
			l.t.Errorf("soid of %s: a session of %s in state %d", e.id, session.ID, n)
		}
	}
}

func readList(ctx context.Context, list store.List) (all []store.Session, err error) {
	for {
		chunk, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, chunk...)
	}
}

// lost takes note that a master with the given slots was killed without warning,
// and is gone: of what it acknowledged in the last moment its replica may know
// nothing.
func (l *ledger) lost(has func(slot int) bool) {
	now := time.Now()
	l.mu.Lock()
	entries := slices.Clone(l.entries)
	for _, e := range entries {
		if has(e.slot) {
			l.lossy[e.slot] = now
		}
	}
	l.mu.Unlock()
	for _, e := range entries {
		if !has(e.slot) {
			continue
		}
		e.mu.Lock()
		for _, p := range e.past {
			if now.Sub(p.until) < lossWindow {
				maps.Copy(e.may, p.may)
			}
		}
		e.mu.Unlock()
	}
}

// settle reads all that there is, once the servers serve again and nobody else
// uses the store, and holds the routes of a whole app against it.
func (l *ledger) settle() {
	ctx := context.Background()
	alive := map[string]map[string]int{"app0": {}, "app1": {}} // sessions by user
	for _, e := range l.entries {
		l.get(e)
		if e.may[absent] {
			continue
		}
		if len(e.may) != 1 {
			l.t.Errorf("%s may still be %v", e.token[:8], e.may)
		}
		alive[e.app][e.id]++
	}
	for app, users := range alive {
		n, err := l.s.Activity(ctx, app, 3600)
		others := 0 // those that seed made
		if app == "app0" {
			others = l.seeded
		}
		if want := len(users) + others/2; err != nil || int(n) != want {
			l.t.Errorf("activity of %s: %d, %v, not %d", app, n, err, want)
		}
		sessions, err := readList(ctx, l.s.SessionsOfApp(ctx, app, 3600))
		if err != nil {
			l.t.Errorf("soapp: %v", err)
		}
		listed := map[string]int{}
		for _, session := range sessions {
			if session.D == "" {
				others--
			} else {
				listed[session.ID]++
			}
		}
		if !maps.Equal(listed, users) || others != 0 {
			l.t.Errorf("soapp of %s lists %d sessions of %d users, not of %d", app, len(sessions), len(listed), len(users))
		}
	}
	l.t.Logf("%d calls, %d unavailable, the slowest success took %v", l.calls.Load(), l.unavailable.Load(),
		time.Duration(l.slowest.Load()).Round(time.Millisecond))
}

// end kills all sessions and counts them.
func (l *ledger) end() {
	for _, app := range []string{"app0", "app1"} {
		want := 0
		if app == "app0" {
			want = l.seeded
		}
		for _, e := range l.entries {
			if e.app == app && !e.may[absent] {
				want++
			}
		}
		if n, err := l.s.KillApp(context.Background(), app); err != nil || int(n) != want {
			l.t.Errorf("killall of %s: %d, %v, not %d", app, n, err, want)
		}
	}
}

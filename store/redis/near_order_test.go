package redis

import (
	"context"
	"errors"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestNearLateInFlight has late reads in flight, taken by a flush, a get or a touch=false,
// when another call of their server needs them counted. That call once overtook them, and
// its r lacked them.
func TestNearLateInFlight(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	s := openBehind(t, proxy)
	ctx := context.Background()
	for taker, take := range map[string]func(token string){
		"flush": func(string) { s.near.Flush() },
		"get": func(token string) {
			s.near.Drop("app", token)
			s.Get(ctx, "app", token)
		},
		"touch=false": func(token string) { s.Peek(ctx, "app", token) },
	} {
		for name, call := range map[string]func(token string) (int64, error){
			"set": func(token string) (int64, error) {
				session, err := s.Set(ctx, "app", token, number(1))
				return session.R, err
			},
			"touch": func(token string) (int64, error) {
				session, err := s.Touch(ctx, "app", token, 0, 0)
				return session.R, err
			},
			"touch=false": func(token string) (int64, error) {
				session, err := s.Peek(ctx, "app", token)
				return session.R, err
			},
			"rotate": func(token string) (int64, error) {
				fresh := store.NewTokenLike(token)
				if _, _, err := s.Rotate(ctx, "app", token, fresh, 0); err != nil {
					return 0, err
				}
				session, err := s.Get(ctx, "app", fresh)
				return session.R, err
			},
		} {
			token := create(t, s, "app", "user", 1000)
			want := readNear(t, s, token).R + 1
			if taker == "get" {
				want++
			}
			hold := proxy.hold(`\d\+\d+@\d+ `) // how a request to get.lua counts late reads
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				take(token)
			}()
			<-hold.held
			called := make(chan struct{})
			var r int64
			var err error
			go func() {
				defer close(called)
				r, err = call(token)
			}()
			select {
			case <-called:
			case <-time.After(50 * time.Millisecond):
			}
			close(hold.released)
			<-called
			<-taken
			if err != nil || r != want {
				t.Errorf("%s while a %s is in flight: r is %d, not %d (%v)", name, taker, r, want, err)
			}
		}
	}
}

// TestNearOwnChangesUnheard changes and ends sessions that are answered near while nothing
// that is published is heard: their server forgets them by itself. In other tests the message
// comes before the answer of the change.
func TestNearOwnChangesUnheard(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	s := openBehind(t, proxy)
	ctx := context.Background()
	ended := func(_ store.Session, err error) bool { return errors.Is(err, store.ErrNotFound) }
	written := func(session store.Session, err error) bool { return err == nil && session.W == 2 }
	touched := func(session store.Session, err error) bool { return err == nil && session.TTL == 500 }
	set := func(token string) error { _, err := s.Set(ctx, "app", token, number(1)); return err }
	touch := func(token string) error { _, err := s.Touch(ctx, "app", token, 500, 0); return err }
	var hits uint64 // once a change is made that shows in idle alone
	used := func(err error) error { hits = s.near.Figures().Hits; return err }
	fromRedis := func(_ store.Session, err error) bool { return err == nil && s.near.Figures().Hits == hits }
	use := func(token string) error { _, err := s.Touch(ctx, "app", token, 0, 0); return used(err) }
	rotateOld := func(token string) error {
		_, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 0)
		return used(err)
	}
	kill := func(token string) error { _, err := s.Kill(ctx, "app", token); return err }
	for name, c := range map[string]struct {
		change func(token string) error
		// by is whether the session is named by its own token, its old one, or neither;
		// "moved" is by its own, too.
		by   string
		want func(store.Session, error) bool
	}{
		"set":              {set, "own", written},
		"touch":            {touch, "own", touched},
		"kill":             {kill, "own", ended},
		"set, old token":   {set, "old", written},
		"touch, old token": {touch, "old", touched},
		"kill, old token":  {kill, "old", ended},

		"touch without ttl":            {use, "own", fromRedis},
		"touch without ttl, old token": {use, "old", fromRedis},
		"rotate, old token":            {rotateOld, "old", fromRedis},

		"rotate": {func(token string) error {
			_, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 0)
			return err
		}, "own", ended},
		"rotate with id": {func(token string) error {
			_, err := s.Move(ctx, "app", token, store.NewToken("other"), store.Move{ID: "other"})
			return err
		}, "moved", ended},
		"killsoid": {func(string) error { _, err := s.KillID(ctx, "app", "user", ""); return err }, "", ended},
		"killsoid with handle": {func(token string) error {
			_, err := s.KillHandle(ctx, "app", "user", store.Handle(token))
			return err
		}, "", ended},
		"killall": {func(string) error { _, err := s.KillApp(ctx, "app"); return err }, "", ended},
		"max_sessions": {func(string) error {
			_, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100, MaxSessions: 1})
			return err
		}, "", ended},
	} {
		proved := false
		for range 20 { // the lease may be lost on a busy machine
			if proved = ownChangeUnheard(t, s, proxy, name, c.by, c.change, c.want); proved || t.Failed() {
				break
			}
		}
		if !proved && !t.Failed() {
			t.Errorf("%s: no lease lasts", name)
		}
	}
}

// ownChangeUnheard makes one change. It returns false if that proves nothing, since the
// session would not have been answered near anyway.
func ownChangeUnheard(t *testing.T, s *Store, proxy *stallingProxy, name, by string, change func(token string) error, want func(store.Session, error) bool) bool {
	t.Helper()
	ctx := context.Background()
	if _, err := s.KillApp(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
	token := create(t, s, "app", "user", 1000)
	named := token
	if by == "old" {
		var err error
		if token, _, err = s.Rotate(ctx, "app", named, store.NewTokenLike(named), 60); err != nil {
			t.Fatal(err)
		}
	}
	readNear(t, s, token)
	s.near.Flush()
	proxy.stalls.Store(true)
	defer proxy.stalls.Store(false)
	hold := &hold{held: make(chan struct{}), released: make(chan struct{})}
	own := by == "own" || by == "moved"
	if own { // it is read again once the change has begun
		hold = proxy.hold(token)
	} else {
		close(hold.held)
	}
	changed := make(chan error, 1)
	if own {
		go func() { changed <- change(named) }()
		<-hold.held
	}
	get(t, s, token)
	hits := s.near.Figures().Hits
	get(t, s, token)
	near := s.near.Figures().Hits > hits
	if close(hold.released); !own {
		changed <- change(named)
	}
	if err := <-changed; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	lease := s.near.Figures().Lease
	if session, err := s.Get(ctx, "app", token); !want(session, err) {
		t.Errorf("%s: what was before is answered: %+v, %v", name, session, err)
	}
	return near && (lease || by != "own")
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// TestNearLateActivity brings late reads to Redis some seconds after they were answered:
// the last activity is the second of the latest, never moves back, and what has ended
// stays so.
func TestNearLateActivity(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	o := Options{Host: "127.0.0.1", Port: server.Port(), Namespace: newNamespace(), Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf, Cache: 10 * time.Second}
	o.nearClock = func() time.Duration { return time.Duration(clock.Now()) * time.Second }
	var set func(now int64)
	o.Clock, set = server.Clock(t, o.Namespace)
	clock.OnChange(set)
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
	ctx := context.Background()
	names := classicKeys(s)
	for _, c := range []struct {
		name   string
		new    store.New
		ends   func(token string)
		r, ttl string
	}{
		{"plain", store.New{ID: "user", IP: "::1", TTL: 100}, func(string) {}, "4", "100"},
		{"no_resave", store.New{ID: "user", IP: "::1", TTL: 100, NoResave: true}, func(string) {}, "4", "97"},
		{"killed", store.New{ID: "user", IP: "::1", TTL: 100}, func(token string) {
			server.Do(t, "DEL", names.session("app", token))
		}, "<nil>", "<nil>"},
		{"expired", store.New{ID: "user", IP: "::1", TTL: 100}, func(string) { clock.Advance(1000) }, "2", "100"},
		{"rotated", store.New{ID: "user", IP: "::1", TTL: 100}, nil, "4", "100"},
	} {
		token, begun, hits := "", int64(0), uint64(0)
		for try := 0; try < 100 && hits != 2; try++ { // the lease may be lost on a busy machine
			eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
			token = store.NewToken("user")
			if _, err := s.Create(ctx, "app", token, c.new); err != nil {
				t.Fatal(err)
			}
			before := s.near.Figures().Hits
			begun = clock.Now()
			get(t, s, token)
			clock.Advance(2)
			get(t, s, token)
			clock.Advance(1)
			get(t, s, token)
			hits = s.near.Figures().Hits - before
			clock.Advance(2)
		}
		if hits != 2 {
			t.Fatalf("%s: no lease lasts for three reads", c.name)
		}
		la := fmt.Sprint(begun + 3)
		if c.ends == nil { // by another server, with no grace
			old := token
			token = store.NewTokenLike(old)
			server.Do(t, "RENAME", names.session("app", old), names.session("app", token))
			server.Do(t, "HSET", names.session("app", token), "root", old)
			server.Do(t, "HSET", names.session("app", old), "to", token)
		} else if c.ends(token); c.r == "<nil>" {
			la = "<nil>"
		} else if c.r == "2" {
			la = fmt.Sprint(begun)
		}
		s.near.Flush()
		if got := strs(t, server.Do(t, "HMGET", names.session("app", token), "r", "la", "ttl")); got[0] != c.r || got[1] != la || got[2] != c.ttl {
			t.Errorf("%s: r, la and ttl are %q, not %s, %s, %s", c.name, got, c.r, la, c.ttl)
		}
		s.near.Flush()
	}
}

// TestNearMoved moves a session to another user while its server has late reads of it. If that
// server moves it, they are counted first; if another does, they are lost, as
// docs/near-reads.md says, and bring nothing back.
func TestNearMoved(t *testing.T) {
	server := redistest.Start(t)
	s, other := openNear(t, server, "t", 10*time.Second), openNear(t, server, "t", 10*time.Second)
	ctx := context.Background()
	for name, mover := range map[string]*Store{"own": s, "other": other} {
		token := create(t, s, "app", "user", 1000)
		r := readNear(t, s, token).R // and this read, which Redis has not counted
		if mover == s {
			r++
		}
		fresh := store.NewToken("fresh")
		if _, err := mover.Move(ctx, "app", token, fresh, store.Move{ID: "fresh"}); err != nil {
			t.Fatal(err)
		}
		s.near.Flush()
		if session, err := other.Peek(ctx, "app", fresh); err != nil || session.R != r {
			t.Errorf("moved by %s: r is %d, not %d (%v)", name, session.R, r, err)
		}
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("moved by %s: the old token answers: %v", name, err)
		}
	}
}

// TestNearLateByOldToken has another server rotate a session without grace, and then a touch
// and a get by the old token in one batch: what the touch brings is counted, though the get
// finds no session. Both were once one read of the batch, and the late ones were lost.
func TestNearLateByOldToken(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	s, other := openBehind(t, proxy), openNear(t, server, "t", 10*time.Second)
	ctx := context.Background()
	token, busy := create(t, s, "app", "user", 1000), create(t, s, "app", "user", 1000)
	want := readNear(t, s, token).R + 1
	fresh := store.NewTokenLike(token)
	if _, _, err := other.Rotate(ctx, "app", token, fresh, 0); err != nil {
		t.Fatal(err)
	}
	hold := proxy.hold(busy)
	var wg sync.WaitGroup
	wg.Go(func() { get(t, s, busy) })
	<-hold.held
	ended := func(what string, call func() error) {
		wg.Go(func() {
			if err := call(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s by an old token: %v", what, err)
			}
		})
		time.Sleep(20 * time.Millisecond) // until it waits
	}
	ended("touch", func() error { _, err := s.Touch(ctx, "app", token, 0, 0); return err })
	ended("get", func() error { _, err := s.Get(ctx, "app", token); return err })
	close(hold.released)
	wg.Wait()
	s.near.Flush()
	if session, err := other.Peek(ctx, "app", fresh); err != nil || session.R != want {
		t.Errorf("r is %d, not %d (%v)", session.R, want, err)
	}
}

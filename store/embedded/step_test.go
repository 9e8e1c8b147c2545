package embedded

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"rest-sessions/store"
)

// walks are the methods that work in steps.
var walks = map[string]func(ctx context.Context, s *Store, id string) (int64, error){
	"KillApp": func(ctx context.Context, s *Store, _ string) (int64, error) { return s.KillApp(ctx, "app") },
	"KillID":  func(ctx context.Context, s *Store, id string) (int64, error) { return s.KillID(ctx, "app", id, "") },
	"Wipe":    func(ctx context.Context, s *Store, _ string) (int64, error) { return s.Wipe(ctx) },
	"SessionsOfApp": func(ctx context.Context, s *Store, _ string) (int64, error) {
		p := s.SessionsOfApp(ctx, "app", 1e6).(*list)
		return int64(len(p.entries)), p.err
	},
	"SessionsOfID": func(ctx context.Context, s *Store, id string) (int64, error) {
		p := s.SessionsOfID(ctx, "app", id).(*list)
		return int64(len(p.entries)), p.err
	},
}

// Between steps no lock is held, and a step is not long: there are as many as
// there must be for one shard full of sessions.
func TestStepsAreBounded(t *testing.T) {
	const sessions = 3000
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			s, clock := newTestStore()
			for range sessions {
				create(t, s, "app", store.New{ID: "user", TTL: 1000})
			}
			if name == "Wipe" {
				clock.now += 2000
			}
			sh := s.shard(store.Bucket("user"))
			left := sh.sessions.len()
			steps := 0
			ctx := atEachStep(func() {
				steps++
				for i := range s.shards {
					if !s.shards[i].mu.TryLock() {
						t.Fatal("a lock is held between steps")
					}
					s.shards[i].mu.Unlock()
				}
				if left-sh.sessions.len() > removeStep {
					t.Fatalf("%d sessions removed in a step", left-sh.sessions.len())
				}
				left = sh.sessions.len()
			})
			if n, err := walk(ctx, s, "user"); n != sessions || err != nil {
				t.Fatal(n, err)
			}
			least := sessions / scanStep
			if !strings.HasSuffix(name, "ID") {
				least += shards - 1
			}
			if steps < least {
				t.Errorf("%d steps, want %d at least", steps, least)
			}
		})
	}
}

// A walk that is ended says so, and how far it came.
func TestWalkEnds(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			s, clock := newTestStore()
			for range 3000 {
				create(t, s, "app", store.New{ID: "user", TTL: 1000})
			}
			if name == "Wipe" {
				clock.now += 2000
			}
			sh := s.shard(store.Bucket("user"))
			left := 1000 // calls before the end; the other shards take 255
			ctx := stepContext{context.Background(), func() error {
				if sh.mu.TryLock() {
					if sh.mu.Unlock(); sh.sessions.len() < 2000 {
						left = 0
					}
				}
				if left--; left < 0 {
					return context.Canceled
				}
				return nil
			}}
			if name[:4] == "Sess" {
				left = 3
			}
			n, err := walk(ctx, s, "user")
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if name[:4] != "Sess" && n != 3000-int64(sh.sessions.len()) {
				t.Errorf("says %d, left %d", n, sh.sessions.len())
			}
			if name[:4] != "Sess" && (n < 1000 || n > 1000+removeStep) {
				t.Errorf("removed %d after the end", n)
			}
			s.check(t)
		})
	}
}

// Killing meets all that was there at the start and ends, however many come in.
func TestKillsMeetWhatWasThere(t *testing.T) {
	for name, kill := range map[string]func(context.Context, *Store) (int64, error){
		"KillApp": func(ctx context.Context, s *Store) (int64, error) { return s.KillApp(ctx, "app") },
		"KillID":  func(ctx context.Context, s *Store) (int64, error) { return s.KillID(ctx, "app", "user", "") },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newTestStore()
			rnd := rand.New(rand.NewPCG(7, 7))
			var old []string
			for range 2000 {
				old = append(old, create(t, s, "app", store.New{ID: "user"}))
			}
			ctx := context.Background()
			killed := int64(0)
			steps := 0
			n, err := kill(atEachStep(func() {
				if steps++; steps > 1000 {
					t.Fatal("it does not end")
				}
				for range 2 * removeStep {
					create(t, s, "app", store.New{ID: "user", IP: "new"})
				}
				for range 5 {
					ok, err := s.Kill(ctx, "app", old[rnd.IntN(len(old))])
					if err != nil {
						t.Fatal(err)
					}
					if ok {
						killed++
					}
				}
			}), s)
			if err != nil || n+killed < int64(len(old)) {
				t.Errorf("%d, %v", n, err)
			}
			for _, token := range old {
				if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
					t.Fatalf("a session survived: %v", err)
				}
			}
			s.check(t)
		})
	}
}

// Tokens that agree in all that an entry holds are ordered by their rest.
// The same as TestListsMeetWhatStays with real concurrency, for the race
// detector.

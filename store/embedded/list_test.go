package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rest-sessions/store"
)

// userOfFirstShard is a user whose shard is the first that a walk goes through.
var userOfFirstShard = func() string {
	for i := 0; ; i++ {
		if id := fmt.Sprint("user", i); shardOf(store.Bucket(id)) == 0 {
			return id
		}
	}
}()

// churn makes stable sessions, which stay, and passing ones, and returns a
// function that kills, creates and touches at random, but kills no stable one.
func churn(t *testing.T, s *Store, clock *testClock, seed uint64) (stable map[string]bool, step func()) {
	rnd := rand.New(rand.NewPCG(6, seed))
	stable = map[string]bool{}
	var passing, staying []string
	n := store.New{ID: userOfFirstShard, TTL: 1e6}
	pass := func() {
		n.IP = "passing"
		passing = append(passing, create(t, s, "app", n))
	}
	for i := range 2500 {
		if rnd.IntN(2) == 0 {
			n.IP = fmt.Sprint("stable", i)
			staying = append(staying, create(t, s, "app", n))
			stable[n.IP] = true
		} else {
			pass()
		}
	}
	ctx := context.Background()
	return stable, func() {
		kills := rnd.IntN(10) // of ten operations: some steps kill, some create
		for range 60 {
			switch {
			case rnd.IntN(10) < kills && len(passing) > 0:
				i := rnd.IntN(len(passing))
				if ok, err := s.Kill(ctx, "app", passing[i]); !ok || err != nil {
					t.Error(ok, err)
				}
				passing = slices.Delete(passing, i, i+1)
			case rnd.IntN(2) == 0:
				pass()
			default:
				clock.now += rnd.Int64N(2)
				if _, err := s.Get(ctx, "app", staying[rnd.IntN(len(staying))]); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestListsMeetWhatStays(t *testing.T) {
	for name, open := range map[string]func(context.Context, *Store) store.List{
		"SessionsOfApp": func(ctx context.Context, s *Store) store.List { return s.SessionsOfApp(ctx, "app", 1e6) },
		"SessionsOfID":  func(ctx context.Context, s *Store) store.List { return s.SessionsOfID(ctx, "app", userOfFirstShard) },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				s, clock := newTestStore()
				stable, step := churn(t, s, clock, seed)
				ctx := atEachStep(step)
				p := open(ctx, s)
				met := map[entry]bool{}
				for _, e := range p.(*list).entries {
					e.lastActivity = 0
					if met[e] {
						t.Fatal("a session is listed twice")
					}
					met[e] = true
				}
				seen := map[string]bool{}
				for _, got := range all(t, ctx, p) {
					if seen[got.IP] && stable[got.IP] {
						t.Fatalf("%s is listed twice", got.IP)
					}
					seen[got.IP] = true
				}
				for ip := range stable {
					if !seen[ip] {
						t.Fatalf("%s is not listed", ip)
					}
				}
				s.check(t)
			}
		})
	}
}

// TestListsKnowWhoLeft wants a list not to answer the session that took the place of one
// it noted: it may be another app's.
func TestListsKnowWhoLeft(t *testing.T) {
	s, _ := newTestStore()
	ctx := context.Background()
	for range 3 {
		create(t, s, "app", store.New{ID: "user"})
	}
	lists := []store.List{s.SessionsOfApp(ctx, "app", 10), s.SessionsOfID(ctx, "app", "user")}
	if n, err := s.KillApp(ctx, "app"); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	create(t, s, "other", store.New{ID: "user"})
	for _, p := range lists {
		if list := all(t, ctx, p); len(list) != 0 {
			t.Errorf("%+v", list)
		}
	}
}

// TestSessionsOfIDAfterKills wants a user's list to go on where it was when all it has met
// is killed.
func TestSessionsOfIDAfterKills(t *testing.T) {
	s, _ := newTestStore()
	var tokens []string
	for i := range 2000 {
		tokens = append(tokens, create(t, s, "app", store.New{ID: "user", IP: fmt.Sprint(i)}))
	}
	steps := 0
	p := s.SessionsOfID(atEachStep(func() {
		if steps++; steps == 4 { // the newest 768 have been met
			for _, token := range tokens[1000:] {
				if ok, err := s.Kill(context.Background(), "app", token); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
		}
	}), "app", "user")
	list := all(t, context.Background(), p)
	if len(list) != 1000 || list[0].IP != "999" || list[999].IP != "0" {
		t.Errorf("%d sessions", len(list))
	}
}

// TestSessionsOfIDLooksBackInSteps wants the search for a session that is still there to
// take steps of its own.
func TestSessionsOfIDLooksBackInSteps(t *testing.T) {
	s, _ := newTestStore()
	for range 3 * scanStep {
		create(t, s, "app", store.New{ID: "user"})
	}
	met := s.SessionsOfID(context.Background(), "app", "user").(*list).entries
	if n, err := s.KillID(context.Background(), "app", "user", ""); n != 3*scanStep || err != nil {
		t.Fatal(n, err)
	}
	bucket := store.Bucket("user")
	still, step, more := s.shard(bucket).scanUser(s.key("app", "user"), "app", "user", shardOf(bucket), met, nil)
	if len(still) != 2*scanStep || len(step) != 0 || !more {
		t.Error(len(still), len(step), more)
	}
}

func TestOrderOfLikeTokens(t *testing.T) {
	s, _ := newTestStore()
	ctx := context.Background()
	start := store.NewToken("user")[:40]
	for _, i := range []int{3, 7, 1, 9, 4, 0, 8, 2, 6, 5} {
		token := start + strings.Repeat("z", 23) + fmt.Sprint(i)
		if _, err := s.Create(ctx, "app", token, store.New{ID: "user", IP: fmt.Sprint(i), TTL: 100}); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	for _, session := range all(t, ctx, s.SessionsOfApp(ctx, "app", 10)) {
		got.WriteString(session.IP)
	}
	if got.String() != "9876543210" {
		t.Error(got.String())
	}
}

func TestListsAmidTraffic(t *testing.T) {
	var now atomic.Int64
	now.Store(1_700_000_000)
	s := New(Options{Now: now.Load})
	ctx := context.Background()
	const stable = 3000
	tokens := make([]string, stable)
	for i := range tokens {
		tokens[i] = create(t, s, "app", store.New{ID: fmt.Sprint("user", i%7), IP: fmt.Sprint(i), TTL: 1e6})
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(8, uint64(g)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint("user", rnd.IntN(7))
				token := create(t, s, "app", store.New{ID: id, IP: "passing", TTL: 10 + rnd.Int64N(100)})
				if rnd.IntN(2) == 0 {
					if _, err := s.Kill(ctx, "app", token); err != nil {
						t.Error(err)
					}
				}
				if _, err := s.Get(ctx, "app", tokens[rnd.IntN(stable)]); err != nil {
					t.Error(err)
				}
				if rnd.IntN(50) == 0 {
					now.Add(1)
				}
				if rnd.IntN(200) == 0 {
					if _, err := s.Wipe(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 10 {
		lists := [][]store.Session{all(t, ctx, s.SessionsOfApp(ctx, "app", 1e6)), nil}
		for i := range 7 {
			lists[1] = append(lists[1], all(t, ctx, s.SessionsOfID(ctx, "app", fmt.Sprint("user", i)))...)
		}
		for _, list := range lists {
			seen := map[string]int{}
			for _, got := range list {
				seen[got.IP]++
			}
			delete(seen, "passing")
			for ip, n := range seen {
				if n != 1 {
					t.Errorf("%s is listed %d times", ip, n)
				}
			}
			if len(seen) != stable {
				t.Errorf("%d of %d are listed", len(seen), stable)
			}
		}
	}
	close(stop)
	wg.Wait()
	s.check(t)
}

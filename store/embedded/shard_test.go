package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"rest-sessions/store"
)

func TestStaysConsistent(t *testing.T) {
	for _, mask := range []uint32{^uint32(0), 3, 0} {
		t.Run(fmt.Sprintf("mask=%x", mask), func(t *testing.T) {
			s, clock := newTestStore()
			s.hashMask = mask
			rnd := rand.New(rand.NewPCG(1, uint64(mask)))
			var tokens []string
			for i := range 20_000 {
				random(t, s, clock, rnd, &tokens)
				if i%500 == 0 {
					s.check(t)
				}
			}
			s.check(t)
		})
	}
}

func TestCollidingHashes(t *testing.T) {
	s, _ := newTestStore()
	s.hashMask = 0
	ctx := context.Background()
	token := store.NewToken("user")
	for _, app := range []string{"one", "two"} {
		for ip, id := range []string{"user", "other"} {
			n := store.New{ID: id, IP: fmt.Sprint(ip), TTL: 10}
			name := token
			if id == "other" {
				name = store.NewToken(id)
			}
			if _, err := s.Create(ctx, app, name, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.check(t)
	if n, err := s.KillID(ctx, "two", "user", ""); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got, err := s.Get(ctx, "one", token); err != nil || got.ID != "user" {
		t.Errorf("%+v, %v", got, err)
	}
	for app, token := range map[string]string{"two": token, "one": store.NewToken("user")} {
		if got, err := s.Get(ctx, app, token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %+v, %v", app, got, err)
		}
	}
	s.check(t)
}

// A site whose users are gone must not go on holding what they held, nor
// anything of an app whose name somebody made up.
func TestMemoryIsFreed(t *testing.T) {
	for name, end := range map[string]func(*Store, *testClock) (int64, error){
		"KillApp": func(s *Store, _ *testClock) (n int64, err error) {
			for i := range 10 {
				killed, e := s.KillApp(context.Background(), fmt.Sprint("app", i))
				n, err = n+killed, errors.Join(err, e)
			}
			return n, err
		},
		"Wipe": func(s *Store, clock *testClock) (int64, error) {
			clock.now += 100_000
			return s.Wipe(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := newTestStore()
			for i := range 30_000 {
				clock.now += int64(i % 2)
				create(t, s, fmt.Sprint("app", i%10), store.New{ID: fmt.Sprint("user", i/3)})
			}
			if n, err := end(s, clock); n != 30_000 || err != nil {
				t.Fatal(n, err)
			}
			s.check(t)
			for i := range s.shards {
				sh := &s.shards[i]
				if sh.sessions.len()+sh.users.len()+sh.apps.len()+sh.timers.n != 0 {
					t.Fatalf("shard %d holds sessions", i)
				}
				slabs := 0
				for _, ref := range sh.sessions.slabs {
					if ref.slab != nil {
						slabs++
						if *ref.slab != (slab[session]{}) {
							t.Fatal("a free record holds something")
						}
					}
				}
				if slabs > 1 || sh.timers.all != nil || sh.sessions.heads.all != nil {
					t.Fatalf("shard %d keeps %d slabs", i, slabs)
				}
				for _, ref := range sh.apps.slabs {
					for j := range ref.records {
						if a := &ref.records[j]; a.name != "" || a.sessions.all != nil || cap(a.activity.seconds) > 0 {
							t.Fatal("a free app holds something")
						}
					}
				}
			}
		})
	}
}

// What a Set removes must not stay in memory behind what it leaves.
func TestMergeGivesBack(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	texts := make([]string, 100)
	for i := range texts {
		texts[i], _ = merge(`{"big":"`+big+`","a":1}`, store.Data{{Key: `"big"`, Value: "null"}})
	}
	if held := heapInUse(); held > 50<<20 {
		t.Errorf("%d texts of %d bytes hold %d MiB", len(texts), len(texts[0]), held>>20)
	}
}

func TestForeignToken(t *testing.T) {
	s, _ := newTestStore()
	id := "user"
	for i := 0; shardOf(store.Bucket(id)) == shardOf(store.Bucket("user")); i++ {
		id = fmt.Sprint("user", i)
	}
	if _, err := s.Create(context.Background(), "app", store.NewToken(id), store.New{ID: "user", TTL: 10}); err == nil {
		t.Error("a session that its user's routes do not find")
	}
}

func TestCreateAgain(t *testing.T) {
	s, _ := newTestStore()
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user", IP: "1"})
	if _, err := s.Create(ctx, "app", token, store.New{ID: "user", IP: "2", TTL: 10}); err != nil {
		t.Fatal(err)
	}
	s.check(t)
	if list := all(t, ctx, s.SessionsOfID(ctx, "app", "user")); len(list) != 1 || list[0].IP != "2" {
		t.Errorf("%+v", list)
	}
}

// Sets of one session at once all land, also with data so large that they are
// merged with the lock released.
func TestSetStorm(t *testing.T) {
	for _, size := range []int{0, 2 * mergeInLock} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s, _ := newTestStore()
			ctx := context.Background()
			first := store.Data{{Key: `"first"`, Value: `"` + strings.Repeat("x", size) + `"`}}
			token := create(t, s, "app", store.New{ID: "user", Data: first})
			const setters, sets = 8, 100
			var wg sync.WaitGroup
			for i := range setters {
				wg.Go(func() {
					for j := range sets {
						d := store.Data{{Key: fmt.Sprintf(`"%d-%d"`, i, j), Value: "1"}}
						if _, err := s.Set(ctx, "app", token, d); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			got, err := s.Get(ctx, "app", token)
			if err != nil || got.W != 1+setters*sets || strings.Count(got.D, ":") != 1+setters*sets {
				t.Errorf("w %d, %d keys, %v", got.W, strings.Count(got.D, ":"), err)
			}
		})
	}
}

func TestSetOnMalformed(t *testing.T) {
	s, _ := newTestStore()
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	tok := pack(token)
	sh := s.shard(store.TokenBucket(token))
	_, rec := sh.session(s.key("app", token), "app", &tok)
	for _, bad := range []string{"x", strings.Repeat("x", mergeInLock+1)} {
		rec.d = bad
		_, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}})
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
		if rec.d != bad || rec.w != 1 {
			t.Errorf("the session changed: w %d", rec.w)
		}
	}
}

func TestTokensCompareAsText(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	a := []byte(store.NewToken("user"))
	for range 1000 {
		b := append([]byte(nil), a...)
		for range 1 + rnd.IntN(3) {
			b[rnd.IntN(len(b))] = store.NewToken("user")[10]
		}
		x, y := pack(string(a)), pack(string(b))
		if got, want := strings.Compare(string(x[:]), string(y[:])), strings.Compare(string(a), string(b)); got != want {
			t.Fatalf("%s, %s: %d, want %d", a, b, got, want)
		}
		a = b
	}
}

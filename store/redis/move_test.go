package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/storetest"
)

// TestMoveLayout holds what a move leaves in Redis against the layout: one session, and
// of its old tokens nothing that leads to it.
func TestMoveLayout(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_030)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	first := store.NewToken("guest")
	n := store.New{ID: "guest", IP: "::1", TTL: 7200, MaxAge: 9000, Data: store.Data{{Key: `"k"`, Value: `1.0`}}}
	if _, err := s.Create(ctx, "app", first, n); err != nil {
		t.Fatal(err)
	}
	second, _, err := s.Rotate(ctx, "app", first, store.NewTokenLike(first), 60)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(5)
	third := store.NewToken("user")
	if _, err := s.Move(ctx, "app", first, third, store.Move{ID: "user", IP: "::2"}); err != nil {
		t.Fatal(err)
	}
	hash := map[string]string{"id": "user", "r": "1", "w": "1", "m": "2", "ttl": "7200", "d": `{"k":1.0}`, "la": "1700000035",
		"created": "1700000030", "ip": "::2", "end": "1700009030", "first": first}
	checkHash(t, server, s, third, hash)
	checkIndexes(t, server, s)
	for _, token := range []string{first, second} {
		if h := enginetest.Hash(t, server, classicKeys(s).session("app", token)); h["id"] != "" || h["to"] != "" {
			t.Errorf("of an old token there is %v", h)
		}
	}

	fourth, _, err := s.Rotate(ctx, "app", third, store.NewTokenLike(third), 10)
	if err != nil {
		t.Fatal(err)
	}
	hash["root"] = third
	checkHash(t, server, s, fourth, hash)
	checkHash(t, server, s, third, map[string]string{"to": fourth, "end": "1700000045"})
	checkIndexes(t, server, s)
	if got, err := s.Peek(ctx, "app", third); err != nil || got.First != first {
		t.Errorf("the first token is %s, %v", got.First, err)
	}
}

// TestMoveRace has 24 clients on two servers: some move a guest's session to a user,
// others set a key each of it. One client moves it, no set that was acknowledged is
// lost, and no index entry is left.
func TestMoveRace(t *testing.T) {
	t.Run("one Redis", func(t *testing.T) {
		server := redistest.Start(t)
		var servers []*Store
		for range 2 {
			s, err := Open(Options{Host: "127.0.0.1", Port: server.Port(), Namespace: "race", Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			servers = append(servers, s)
		}
		a := servers[0]
		moveRace(t, servers...)
		checkIndexes(t, server, a)
	})
	t.Run("a cluster", func(t *testing.T) {
		cluster := ofCluster(t)
		o := Options{Namespace: "t" + strconv.FormatInt(namespaces.Add(1), 10), Timeout: testTimeout, DialTimeout: testTimeout}
		a := openClusterAs(t, cluster, o)
		defer a.Close()
		b := openClusterAs(t, cluster, o)
		defer b.Close()
		moveRace(t, a, b)
		checkIndexesOn(t, cluster.Masters, a)
	})
}

func moveRace(t *testing.T, servers ...*Store) {
	ctx := context.Background()
	const clients = 24
	for round := range 60 {
		guest, user := fmt.Sprint("guest", round), fmt.Sprint("user", round)
		token := create(t, servers[0], "app", guest, 7200)
		if round%3 == 0 { // the token of now is another
			fresh, _, err := servers[0].Rotate(ctx, "app", token, store.NewTokenLike(token), 60)
			if err != nil {
				t.Fatal(err)
			}
			token = []string{token, fresh}[round%2]
		}
		var moved, wasSet atomic.Int64
		var now atomic.Value
		var keys sync.Map
		var wg sync.WaitGroup
		for i := range clients {
			s := servers[i%len(servers)]
			wg.Go(func() {
				if i%3 > 0 {
					key := fmt.Sprintf(`"k%d"`, i)
					if _, err := s.Set(ctx, "app", token, store.Data{{Key: key, Value: "1"}}); err == nil {
						keys.Store(key, true)
						wasSet.Add(1)
					} else if !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
					return
				}
				fresh := store.NewToken(user)
				_, err := s.Move(ctx, "app", token, fresh, store.Move{ID: user, MaxSessions: 1 + round%2})
				switch {
				case err == nil:
					moved.Add(1)
					now.Store(fresh)
				case !errors.Is(err, store.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if moved.Load() != 1 {
			t.Fatalf("round %d: %d moved it", round, moved.Load())
		}
		session, err := servers[1].Peek(ctx, "app", now.Load().(string))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		keys.Range(func(key, _ any) bool {
			if !strings.Contains(session.D, key.(string)) {
				t.Errorf("round %d: the set of %s is lost in %s", round, key, session.D)
			}
			return true
		})
		if session.W != 1+wasSet.Load() {
			t.Errorf("round %d: w is %d after %d sets", round, session.W, wasSet.Load())
		}
		for id, want := range map[string]int{guest: 0, user: 1} {
			list, err := readList(ctx, servers[0].SessionsOfID(ctx, "app", id))
			if err != nil || len(list) != want {
				t.Errorf("round %d: %s has %d sessions, %v", round, id, len(list), err)
			}
		}
	}
	if n, err := servers[0].Activity(ctx, "app", 3600); err != nil || n != 60 {
		t.Errorf("activity is %d, %v", n, err)
	}
}

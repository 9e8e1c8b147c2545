package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/storetest"
)

// TestRotateLayout holds what a rotation leaves in Redis against the layout: one
// session, under the new token only, and a hash at the old one that is no session.
func TestRotateLayout(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_030)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	first := store.NewToken("a:b")
	n := store.New{ID: "a:b", IP: "::1", TTL: 7200, MaxAge: 9000, Data: store.Data{{Key: `"k"`, Value: `1.0`}}}
	if _, err := s.Create(ctx, "app", first, n); err != nil {
		t.Fatal(err)
	}
	hash := map[string]string{"id": "a:b", "r": "1", "w": "1", "m": "2", "ttl": "7200", "d": `{"k":1.0}`, "la": "1700000030", "created": "1700000030", "ip": "::1", "end": "1700009030"}
	checkHash(t, server, s, first, hash)
	checkIndexes(t, server, s)

	rotate := func(token string, grace int64) string {
		t.Helper()
		fresh, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), grace)
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	clock.Advance(5)
	second := rotate(first, 10)
	hash["la"], hash["root"] = "1700000035", first
	checkHash(t, server, s, second, hash)
	checkHash(t, server, s, first, map[string]string{"to": second, "end": "1700000045"})
	checkIndexes(t, server, s)

	third := rotate(second, 0)
	checkHash(t, server, s, third, hash)
	checkHash(t, server, s, second, map[string]string{"root": first})
	checkHash(t, server, s, first, map[string]string{"to": third, "end": "1700000045"})
	checkIndexes(t, server, s)

	// What expired is made again where the later aliases find it, and answers nobody.
	server.Do(t, "DEL", classicKeys(s).session("app", first), classicKeys(s).session("app", second))
	fourth := rotate(third, 60)
	checkHash(t, server, s, third, map[string]string{"root": first, "end": "1700000095"})
	checkHash(t, server, s, first, map[string]string{"to": fourth})
	checkIndexes(t, server, s)
	if _, err := s.Get(ctx, "app", third); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "app", first); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a token whose grace is over: %v", err)
	}
}

// TestSpoiltAlias puts nonsense where an alias leads: it leads nowhere, and the
// reads that share its batch are answered.
func TestSpoiltAlias(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, storetest.NewClock(1_700_000_030))
	defer s.Close()
	ctx := context.Background()
	other := create(t, s, "app", "other", 100)
	for name, spoil := range map[string]func(key string){
		"no root": func(key string) { server.Do(t, "HSET", key, "root", "nobody") },
		"a string root": func(key string) {
			server.Do(t, "SET", key+"x", "1")
			server.Do(t, "HSET", key, "root", key[len(key)-64:]+"x")
		},
		"a wrong end":   func(key string) { server.Do(t, "HSET", key, "end", "soon") },
		"leads nowhere": func(key string) { server.Do(t, "HDEL", key, "to", "root") },
		"its own":       func(key string) { server.Do(t, "HSET", key, "to", key[len(key)-64:]) },
		"a short token": func(key string) { server.Do(t, "HSET", key, "to", "x") },
	} {
		old := create(t, s, "app", "user", 100)
		if _, _, err := s.Rotate(ctx, "app", old, store.NewTokenLike(old), 10); err != nil {
			t.Fatal(err)
		}
		spoil(classicKeys(s).session("app", old))
		f := &readBatch{}
		for _, token := range []string{old, other} {
			f.Waiters = append(f.Waiters, &read{key: []byte(classicKeys(s).session("app", token)), prefixEnd: len(classicKeys(s).prefix("app")), Wait: wire.NewWait()})
		}
		reads := slices.Clone(f.Waiters)
		plainReader(s).batches.batcher.Carry(f)
		if !errors.Is(reads[0].err, store.ErrNotFound) || reads[1].err != nil {
			t.Errorf("%s: %v, %v", name, reads[0].err, reads[1].err)
		}
		if _, err := s.Set(ctx, "app", old, store.Data{{Key: `"a"`, Value: "1"}}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Set: %v", name, err)
		}
		if killed, err := s.Kill(ctx, "app", old); killed || err != nil {
			t.Errorf("%s: Kill: %v, %v", name, killed, err)
		}
	}
}

// TestNodeTouchesMaxAge lets a Node server, which knows no end, read a session: the
// next touch of ours puts right when it may be wiped.
func TestNodeTouchesMaxAge(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const ttl, maxAge = 7200, 100
	touches := map[string]func(token string) error{
		"get": func(token string) error { _, err := s.Get(ctx, "app", token); return err },
		"set": func(token string) error {
			_, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}})
			return err
		},
		"rotate": func(token string) error {
			_, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 10)
			return err
		},
	}
	for id, touch := range touches {
		token := store.NewToken(id)
		if _, err := s.Create(ctx, "app", token, store.New{ID: id, IP: "::1", TTL: ttl, MaxAge: maxAge}); err != nil {
			t.Fatal(err)
		}
		clock.Advance(5)
		now := strconv.FormatInt(clock.Now(), 10)
		server.Do(t, "HINCRBY", classicKeys(s).session("app", token), "r", "1")
		server.Do(t, "HSET", classicKeys(s).session("app", token), "la", now)
		server.Do(t, "ZADD", classicKeys(s).wipe(), strconv.FormatInt(clock.Now()+ttl, 10), "app:"+token+":"+id)
		clock.Advance(1)
		if err := touch(token); err != nil {
			t.Fatal(err)
		}
		checkIndexes(t, server, s)
		clock.Advance(maxAge - 6)
		if n, err := s.Wipe(ctx); n != 0 || err != nil {
			t.Errorf("%s: wiped %d in its last second, %v", id, n, err)
		}
		clock.Advance(1)
		if n, err := s.Wipe(ctx); n != 1 || err != nil {
			t.Errorf("%s: wiped %d after its end, %v", id, n, err)
		}
	}
}

// TestWipeRearmsMaxAge lets the wiper meet an entry of a live session with an end.
func TestWipeRearmsMaxAge(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	token := store.NewToken("user")
	if _, err := s.Create(ctx, "app", token, store.New{ID: "user", IP: "::1", TTL: 7200, MaxAge: 100}); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "ZADD", classicKeys(s).wipe(), "1", "app:"+token+":user")
	if n, err := s.Wipe(ctx); n != 0 || err != nil {
		t.Errorf("wiped %d, %v", n, err)
	}
	checkIndexes(t, server, s)
}

// TestLimitHoldsRedisShortly gives a user far more sessions than a limit allows, and
// then as many that are over, and sees that no call looks at many or ends many.
func TestLimitHoldsRedisShortly(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const many, atOnce = 800, 128
	for _, over := range []bool{false, true} {
		for i := range many {
			create(t, s, "app", "user", 10)
			if i%300 == 0 {
				clock.Advance(1)
			}
		}
		want := 5
		if over {
			clock.Advance(20)
			want = 1
		}
		server.Do(t, "CONFIG", "RESETSTAT")
		if _, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 10, MaxSessions: 5}); err != nil {
			t.Fatal(err)
		}
		n := calls(t, server)
		if n["evalsha"] < many/atOnce || n["publish"] < many-5 || n["publish"] > atOnce*n["evalsha"] || n["hmget"] > atOnce*n["evalsha"] {
			t.Errorf("over %v: %d calls of scripts look at %d sessions and end %d", over, n["evalsha"], n["hmget"], n["publish"])
		}
		if got := countSessions(t, s.SessionsOfID(ctx, "app", "user")); got != want {
			t.Errorf("over %v: %d sessions are left, want %d", over, got, want)
		}
		checkIndexes(t, server, s)
	}
}

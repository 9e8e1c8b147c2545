package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/storetest"
)

// TestLayout holds what stands in Redis against the layout of redis-sessions.
func TestLayout(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_030) // 20 s into its window of a minute
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	token := store.NewToken("a:b")
	n := store.New{ID: "a:b", IP: "::1", TTL: 7200, Data: store.Data{{Key: `"k"`, Value: `1.0`}, {Key: `"n"`, Value: `null`}}}
	if _, err := s.Create(ctx, "app", token, n); err != nil {
		t.Fatal(err)
	}
	ns := strings.TrimSuffix(s.keys.NS, ":")
	want := []string{ns + "-clock", ns + "-clock-us", ns + ":SESSIONS", ns + ":app:" + token, ns + ":app:_sessions", ns + ":app:_users", ns + ":app:us:a:b"}
	if got := strs(t, server.Do(t, "KEYS", "*")); !sameSet(got, want) {
		t.Errorf("keys are %q, not %q", got, want)
	}
	hash := map[string]string{"id": "a:b", "r": "1", "w": "1", "m": "2", "ttl": "7200", "d": `{"k":1.0}`, "la": "1700000030", "created": "1700000030", "ip": "::1"}
	checkHash(t, server, s, token, hash)
	checkIndexes(t, server, s)
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Fatal(err)
	}
	hash["r"], hash["m"] = "2", "3"
	checkHash(t, server, s, token, hash)

	token = store.NewToken("u")
	if _, err := s.Create(ctx, "app", token, store.New{ID: "u", IP: "::1", TTL: 100, NoResave: true}); err != nil {
		t.Fatal(err)
	}
	hash = map[string]string{"id": "u", "r": "1", "w": "1", "m": "2", "ttl": "100", "la": "1700000030", "created": "1700000030", "ip": "::1", "no_resave": "1"}
	checkHash(t, server, s, token, hash)
	clock.Advance(30)
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Fatal(err)
	}
	hash["r"], hash["m"], hash["ttl"], hash["la"] = "2", "3", "70", "1700000060"
	checkHash(t, server, s, token, hash)
	checkIndexes(t, server, s)
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func checkHash(t *testing.T, server *redistest.Server, s *Store, token string, want map[string]string) {
	t.Helper()
	if got := enginetest.Hash(t, server, classicKeys(s).session("app", token)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the hash is %v, not %v", got, want)
	}
}

// checkIndexes is enginetest.CheckIndexes of what is kept on one server.
func checkIndexes(t *testing.T, server *redistest.Server, s *Store) {
	t.Helper()
	checkIndexesOn(t, []*redistest.Server{server}, s)
}

// checkIndexesOn is checkIndexes for what is kept on several nodes.
func checkIndexesOn(t *testing.T, nodes []*redistest.Server, s *Store) {
	t.Helper()
	l, err := s.layout(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	enginetest.CheckIndexes(t, nodes, l)
}

// TestNodeWiper lets a Node server read a session between two reads of ours. It
// lowers SESSIONS to its now + ttl, and our second read is in the window in which
// the first wrote it: unless that one looks, a Node wiper ends the session before
// its time.
func TestNodeWiper(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040) // the start of a window
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const ttl = 7200
	token := create(t, s, "app", "user", ttl)
	clock.Advance(5)
	server.Do(t, "ZADD", classicKeys(s).wipe(), strconv.FormatInt(clock.Now()+ttl, 10), "app:"+token+":user")
	server.Do(t, "HINCRBY", classicKeys(s).session("app", token), "r", "1")
	clock.Advance(5)
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Fatal(err)
	}
	armed, _ := strconv.ParseFloat(fmt.Sprint(server.Do(t, "ZSCORE", classicKeys(s).wipe(), "app:"+token+":user")), 64)
	if last := clock.Now() + ttl; armed <= float64(last) {
		t.Errorf("a Node wiper ends the session at %f, and it is alive until %d", armed, last)
	}
	checkIndexes(t, server, s)
}

// TestWipeRearms lets the wiper meet entries of live sessions that are due, as a
// server with another idea of the ttl would write them.
func TestWipeRearms(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	for i := range 3 * stepSize {
		id := "user" + strconv.Itoa(i)
		token := create(t, s, "app", id, 7200)
		server.Do(t, "ZADD", classicKeys(s).wipe(), "1", "app:"+token+":"+id)
	}
	if n, err := s.Wipe(context.Background()); n != 0 || err != nil {
		t.Errorf("the wipe removed %d (%v) of sessions that are alive", n, err)
	}
	checkIndexes(t, server, s)
}

// TestWipeCleansLeftovers wipes what the original leaves behind of an id with a
// colon: its index entries, with or without the hash; and entries of no form.
func TestWipeCleansLeftovers(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	token := create(t, s, "app", "a:b", 7200)
	server.Do(t, "DEL", classicKeys(s).session("app", token))
	server.Do(t, "ZADD", classicKeys(s).wipe(), "1", "nonsense")
	clock.Advance(7300)
	if _, err := s.Wipe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if keys := strs(t, server.Do(t, "KEYS", s.keys.NS+"*")); len(keys) > 0 {
		t.Errorf("left behind: %q", keys)
	}
}

// TestCacheChannel listens as a Node server with a cache does.
func TestCacheChannel(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	told := make(chan string, 10)
	listener, cancel := context.WithCancel(ctx)
	defer cancel()
	subscribed := make(chan struct{})
	go subscriber(listener, s, s.keys.NS+"cache", subscribed, told)
	<-subscribed
	token := create(t, s, "app", "user", 100)
	expect := func(what, want string) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Errorf("%s told %q, not %q", what, got, want)
			}
		case <-listener.Done():
		}
	}
	if _, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	expect("set", "app:"+token)
	if _, err := s.Kill(ctx, "app", token); err != nil {
		t.Fatal(err)
	}
	expect("kill", "app:"+token)
	token = create(t, s, "app", "user", 100)
	if _, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100, MaxSessions: 1}); err != nil {
		t.Fatal(err)
	}
	expect("create with a limit", "app:"+token)
	if _, err := s.KillApp(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	<-told
	old := create(t, s, "app", "user", 100)
	token, _, err := s.Rotate(ctx, "app", old, store.NewTokenLike(old), 10)
	if err != nil {
		t.Fatal(err)
	}
	expect("rotate", "app:"+old)
	if _, err := s.Set(ctx, "app", old, store.Data{{Key: `"a"`, Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	expect("set by an old token", "app:"+token)
	if _, err := s.Kill(ctx, "app", old); err != nil {
		t.Fatal(err)
	}
	expect("kill by an old token", "app:"+token)
	token = create(t, s, "app", "user", 100)
	if _, err := s.KillID(ctx, "app", "user", ""); err != nil {
		t.Fatal(err)
	}
	expect("killsoid", "app:"+token)
	token = create(t, s, "app", "user", 100)
	if _, err := s.KillApp(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	expect("killall", "app:"+token)
}

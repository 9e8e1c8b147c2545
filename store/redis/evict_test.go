package redis

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/storetest"
)

// evictions is told whether Redis can evict.
type evictions struct {
	unobserved
	told chan bool
}

func (e *evictions) Evicts(can bool) { e.told <- can }

// openEvicting opens a store and waits until it has asked Redis.
func openEvicting(t *testing.T, server *redistest.Server) (*Store, *lines, *evictions) {
	t.Helper()
	log, watch := &lines{}, &evictions{told: make(chan bool, 10)}
	s, err := Open(Options{
		Host: "127.0.0.1", Port: server.Port(), Namespace: "t", Timeout: testTimeout, DialTimeout: testTimeout, Logf: log.logf, Observer: watch,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, log, watch
}

// TestEviction fills the memory of a Redis under allkeys-lru beside sessions that are
// read five times a second. A second after the last eviction all that live must be in
// their indexes.
func TestEviction(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10")
	s, log, watch := openEvicting(t, server)
	if !<-watch.told {
		t.Fatal("it is not told that Redis can evict")
	}
	eventually(t, "the log warns", func() bool { return strings.Contains(log.String(), "maxmemory-policy allkeys-lru") })
	type session struct{ id, token string }
	var all []session
	for i := range 20 {
		id := "user" + strconv.Itoa(i%5)
		all = append(all, session{id, create(t, s, "app", id, 7200)})
	}
	ctx := context.Background()
	readAll := func() {
		t.Helper()
		for i := 0; i < len(all); i++ {
			if _, err := s.Get(ctx, "app", all[i].token); err == store.ErrNotFound {
				all = append(all[:i], all[i+1:]...) // evicted itself
				i--
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	evicted := func() string { return server.Field("INFO stats", "evicted_keys") }
	filler, n := strings.Repeat("x", 10_000), 0
	// 5 s, in which the memory is filled twice: the LRU clock has a resolution of a second,
	// so that more in a second would make the sessions no younger than what fills it.
	for range 25 {
		for range 70 {
			server.Do(t, "SET", "filler"+strconv.Itoa(n), filler)
			n++
		}
		readAll()
		time.Sleep(200 * time.Millisecond)
	}
	if evicted() == "0" {
		t.Fatal("nothing was evicted")
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "100mb") // that was the last
	for range 6 {
		time.Sleep(200 * time.Millisecond)
		readAll()
	}

	if len(all) < 10 {
		t.Fatalf("of 20 sessions that are read all the time %d are left", len(all))
	}
	p := s.mustLayout(t).Buckets("app")[0]
	want := map[string]int64{}
	for _, x := range all {
		want[x.id]++
		for what, reply := range map[string]any{
			"SESSIONS":  server.Do(t, "ZSCORE", p.Wipe, "app:"+x.token+":"+x.id),
			"_sessions": server.Do(t, "ZSCORE", p.Sessions(), x.token+":"+x.id),
			"_users":    server.Do(t, "ZSCORE", p.Users(), x.id),
		} {
			if reply == nil {
				t.Errorf("%s lacks a session of %s", what, x.id)
			}
		}
		if server.Do(t, "SISMEMBER", p.User(x.id), x.token) != int64(1) {
			t.Errorf("the set of %s lacks a session", x.id)
		}
	}
	first := all[0].id
	if n, err := s.KillID(ctx, "app", first, ""); n != want[first] || err != nil {
		t.Errorf("KillID: %d, %v, want %d", n, err, want[first])
	}
	if n, err := s.KillApp(ctx, "app"); n != int64(len(all))-want[first] || err != nil {
		t.Errorf("KillApp: %d, %v, want %d", n, err, int64(len(all))-want[first])
	}
	for _, x := range all {
		if _, err := s.Get(ctx, "app", x.token); err != store.ErrNotFound {
			t.Errorf("a session of %s after the kills: %v", x.id, err)
		}
	}
}

func (s *Store) mustLayout(t *testing.T) layout.Layout {
	t.Helper()
	l, err := s.layout(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestMendedByAWindow takes all indexes from a Redis that does not say that it evicts.
// The first touch in the next window writes them anew, be it a get, a set or a rotation.
func TestMendedByAWindow(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_047)
	s := openTest(t, server, clock)
	ctx := context.Background()
	for name, touch := range map[string]func(token string) (string, error){
		"get": func(token string) (string, error) { _, err := s.Get(ctx, "app", token); return token, err },
		"set": func(token string) (string, error) { _, err := s.Set(ctx, "app", token, nil); return token, err },
		"rotate": func(token string) (string, error) {
			token, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 0)
			return token, err
		},
	} {
		token := create(t, s, "app", "user", 7200)
		p := s.mustLayout(t).Buckets("app")[0]
		server.Do(t, "DEL", p.Wipe, p.Sessions(), p.Users(), p.User("user"))
		clock.Advance(60)
		token, err := touch(token)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, index := range []string{p.Wipe, p.Sessions(), p.Users()} {
			if server.Do(t, "ZCARD", index) != int64(1) {
				t.Errorf("%s: no entry in %s", name, index)
			}
		}
		if server.Do(t, "SISMEMBER", p.User("user"), token) != int64(1) {
			t.Errorf("%s: the user's set lacks the session", name)
		}
		if n, err := s.KillApp(ctx, "app"); n != 1 || err != nil {
			t.Errorf("%s: KillApp: %d, %v", name, n, err)
		}
	}
}

// TestPolicyChanges changes the policy below a server: each wipe asks anew, and the log
// hears each change once.
func TestPolicyChanges(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "0", "--maxmemory-policy", "allkeys-lfu")
	s, log, watch := openEvicting(t, server)
	if <-watch.told || log.String() != "" {
		t.Errorf("without a limit nothing is evicted:\n%s", log)
	}
	for _, step := range []struct {
		name, value string
		can         bool
		lines       int
	}{
		{"maxmemory", "100mb", true, 1},
		{"maxmemory-samples", "5", true, 1},
		{"maxmemory-policy", "volatile-lru", false, 2},
		{"maxmemory-policy", "noeviction", false, 2},
		{"maxmemory-policy", "allkeys-random", true, 3},
	} {
		server.Do(t, "CONFIG", "SET", step.name, step.value)
		if _, err := s.Wipe(context.Background()); err != nil {
			t.Fatal(err)
		}
		if can := <-watch.told; can != step.can || s.eviction.can.Load() != can {
			t.Errorf("%s %s: told %v", step.name, step.value, can)
		}
		if n := len(strings.Split(log.String(), "\n")); n != step.lines {
			t.Errorf("%s %s: %d lines, want %d:\n%s", step.name, step.value, n, step.lines, log)
		}
	}
}

// TestPolicyIsAskedForAgain has Redis keep the first question waiting for too long, and wants
// the answer once it serves: it once came with the next wipe.
func TestPolicyIsAskedForAgain(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	proxy := startStallingProxy(t, server)
	hold := proxy.hold(`\r\nINFO\r\n`)
	log, watch := &lines{}, &evictions{told: make(chan bool, 10)}
	s, err := Open(Options{
		Host: "127.0.0.1", Port: proxy.Addr().(*net.TCPAddr).Port, Namespace: "t", Timeout: briefTimeout / 4, Logf: log.logf, Observer: watch,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-hold.held
	server.Pause() // all of it: the write that follows goes by any connection
	close(hold.released)
	eventually(t, "the log says that Redis cannot be used", func() bool { return strings.Contains(log.String(), "cannot be used") })
	server.Resume()
	if !<-watch.told {
		t.Error("it is told that Redis cannot evict")
	}
}

// TestInfoRefused has an access list without INFO: the server goes on, and says so once.
func TestInfoRefused(t *testing.T) {
	server := redistest.Start(t)
	server.Do(t, "ACL", "SETUSER", "default", "-info")
	s, log, err := reach(t, Options{Host: "127.0.0.1", Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Wipe(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s, "app", "user", 100)
	if n := strings.Count(log.String(), "refuses INFO"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// openNear opens a store with near reads in a namespace, whose lease holds.
func openNear(tb testing.TB, server *redistest.Server, namespace string, cache time.Duration) *Store {
	tb.Helper()
	s, err := Open(Options{
		Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: testTimeout, DialTimeout: testTimeout, Logf: tb.Logf, Cache: cache,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	eventually(tb, "near reads are on", func() bool { return s.near.Figures().Lease })
	return s
}

func get(tb testing.TB, s *Store, token string) store.Session {
	tb.Helper()
	session, err := s.Get(context.Background(), "app", token)
	if err != nil {
		tb.Fatal(err)
	}
	return session
}

// TestNear reads a session ten times within a second: Redis is asked once, and then has
// counted all.
func TestNear(t *testing.T) {
	server := redistest.Start(t)
	s := openNear(t, server, "t", time.Second)
	undisturbed := false
	for try := 0; try < 100 && !undisturbed; try++ {
		eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
		token := create(t, s, "app", "user", 100)
		before, begun := s.near.Figures(), time.Now()
		for i := range 10 {
			if session := get(t, s, token); session.R != int64(1+i) || session.W != 1 || session.TTL != 100 || session.ID != "user" {
				t.Errorf("read %d: %+v", i, session)
			}
		}
		r := fmt.Sprint(server.Do(t, "HGET", classicKeys(s).session("app", token), "r"))
		now := s.near.Figures()
		// On a busy machine the lease may be lost, or the late reads be counted already.
		undisturbed = now.Lease && now.LeasesLost == before.LeasesLost && time.Since(begun) < time.Second/2
		if hits := now.Hits - before.Hits; undisturbed && (hits != 9 || r != "2") {
			t.Errorf("%d hits, not 9, and r is %s at once", hits, r)
		}
		eventually(t, "the late reads are counted", func() bool {
			return fmt.Sprint(server.Do(t, "HGET", classicKeys(s).session("app", token), "r")) == "11"
		})
	}
	if !undisturbed {
		t.Error("no lease lasts for ten reads")
	}
}

// TestNearOwnChanges changes and ends sessions that are answered near.
func TestNearOwnChanges(t *testing.T) {
	server := redistest.Start(t)
	s := openNear(t, server, "t", 10*time.Second)
	ctx := context.Background()
	for i := range 100 {
		token := create(t, s, "app", "user", 100)
		get(t, s, token)
		get(t, s, token)
		session, err := s.Set(ctx, "app", token, number(i+1))
		if err != nil || session.R != 3 || session.W != 2 {
			t.Fatalf("%+v, %v", session, err)
		}
		if got := get(t, s, token); got.D != session.D || got.R != 3 || got.W != 2 {
			t.Fatalf("%+v", got)
		}
		get(t, s, token)
		switch i % 4 {
		case 0:
			_, err = s.Kill(ctx, "app", token)
		case 1:
			_, err = s.KillID(ctx, "app", "user", "")
		case 2:
			_, err = s.KillApp(ctx, "app")
		case 3:
			_, err = s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100, MaxSessions: 1})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("round %d: a session that has ended answers: %v", i, err)
		}
	}
	if s.near.Stats.Hits.Load() < 100 {
		t.Errorf("%d hits", s.near.Stats.Hits.Load())
	}
}

// TestNearOthers changes and ends, on another server, sessions that are answered near.
func TestNearOthers(t *testing.T) {
	server := redistest.Start(t)
	s, other := openNear(t, server, "t", 10*time.Second), openNear(t, server, "t", 10*time.Second)
	ctx := context.Background()
	var longest time.Duration
	for i := range 50 {
		token := create(t, s, "app", "user", 100)
		for range 2 {
			get(t, s, token)
			get(t, other, token)
		}
		if _, err := other.Set(ctx, "app", token, number(i+1)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the set is seen", func() bool { return get(t, s, token).W == 2 })
		get(t, s, token)
		if _, err := other.Kill(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		for {
			begun := time.Since(killed)
			_, err := s.Get(ctx, "app", token)
			if errors.Is(err, store.ErrNotFound) {
				longest = max(longest, begun)
				break
			}
			if begun > 200*time.Millisecond {
				t.Fatalf("the session still answers after %v: %v", begun, err)
			}
		}
	}
	t.Logf("a kill on another server was seen after %v at most", longest)
}

// TestNearOthersTouch has another server count activity alone, by a touch without ttl and by a
// rotate with an old token: the next read goes to Redis. Neither was published once, so idle
// was wrong for RS_CACHE.
func TestNearOthersTouch(t *testing.T) {
	server := redistest.Start(t)
	s, other := openNear(t, server, "t", 10*time.Second), openNear(t, server, "t", 10*time.Second)
	ctx := context.Background()
	old := create(t, s, "app", "user", 1000)
	token, _, err := s.Rotate(ctx, "app", old, store.NewTokenLike(old), 60)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"touch":             func() error { _, err := other.Touch(ctx, "app", token, 0, 0); return err },
		"touch, old token":  func() error { _, err := other.Touch(ctx, "app", old, 0, 0); return err },
		"rotate, old token": func() error { _, _, err := other.Rotate(ctx, "app", old, store.NewTokenLike(old), 60); return err },
	} {
		readNear(t, s, token)
		if err := change(); err != nil {
			t.Fatal(name, err)
		}
		changed := time.Now()
		eventually(t, name+" is heard", func() bool {
			before := s.near.Figures().Hits
			get(t, s, token)
			return s.near.Figures().Hits == before
		})
		if took := time.Since(changed); took > 5*time.Second {
			t.Errorf("%s is seen after %v", name, took)
		}
	}
}

// TestNearAccessList has a user who may do no more than docs/redis.md says, without and
// with what it says of near reads.
func TestNearAccessList(t *testing.T) {
	server := redistest.Start(t)
	rules := accessRules(t, "sessions")
	setUser(t, server, "sessions", rules)
	s, log, err := reach(t, Options{URL: "redis://sessions:secret@" + server.Addr(), Cache: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says why near reads are off", func() bool {
		return strings.Contains(log.String(), "the access list of Redis' user forbids to subscribe")
	})
	token := create(t, s, "app", "user", 100)
	get(t, s, token)
	get(t, s, token)
	if f := s.near.Figures(); f.Hits > 0 || f.Lease {
		t.Errorf("%+v", f)
	}
	manual, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile("ACL SETUSER sessions (\\+subscribe .*)\n").FindSubmatch(manual)
	if more == nil {
		t.Fatal("docs/redis.md says nothing of near reads")
	}
	setUser(t, server, "sessions", strings.Fields(strings.ReplaceAll(string(more[1]), "drs:", "t:")))
	eventually(t, "it is answered near", func() bool { get(t, s, token); return s.near.Figures().Hits > 0 })
}

// TestNearCluster changes and ends, on another server, sessions of a cluster that are
// answered near.
func TestNearCluster(t *testing.T) {
	cluster := ofCluster(t)
	o := Options{Namespace: newNamespace(), Timeout: testTimeout, DialTimeout: testTimeout, Cache: 10 * time.Second}
	s, other := openClusterAs(t, cluster, o), openClusterAs(t, cluster, o)
	t.Cleanup(s.Close)
	t.Cleanup(other.Close)
	ctx := context.Background()
	eventually(t, "the cluster is reached", func() bool { return s.Ping(ctx) == nil && other.Ping(ctx) == nil })
	for i := range 12 {
		token := create(t, s, "app", "user"+strconv.Itoa(i), 1000)
		reads := int64(0)
		eventually(t, "it is answered near", func() bool {
			before := s.near.Figures().Hits
			reads++
			get(t, s, token)
			return s.near.Figures().Hits > before
		})
		if _, err := other.Set(ctx, "app", token, number(i+1)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the set is seen", func() bool { reads++; return get(t, s, token).W == 2 })
		if session := get(t, s, token); session.R != 1+reads {
			t.Errorf("r is %d after %d reads", session.R, reads)
		}
		get(t, s, token)
		killer := []*Store{s, other}[i%2]
		if ok, err := killer.Kill(ctx, "app", token); !ok || err != nil {
			t.Fatal(ok, err)
		}
		killed := time.Now()
		for {
			begun := time.Since(killed)
			if _, err := s.Get(ctx, "app", token); errors.Is(err, store.ErrNotFound) {
				break
			} else if err != nil || killer == s || begun > 200*time.Millisecond {
				t.Fatalf("it answers %v after its end: %v", begun, err)
			}
		}
	}
}

// TestNearReplicas has a cluster with replicas. They take subscriptions, too, but are told of
// no beat: to listen on one would last for one beat, and end for all its buckets.
func TestNearReplicas(t *testing.T) {
	redistest.SkipShort(t)
	cluster := redistest.StartCluster(t, true)
	eventually(t, "the replicas are known", func() bool {
		return strings.Count(fmt.Sprint(cluster.Masters[0].Do(t, "CLUSTER", "SHARDS")), "online") == len(cluster.Nodes())
	})
	var warnings atomic.Int64
	s, err := Open(Options{
		Host: "127.0.0.1", Port: cluster.Masters[0].Port(), Namespace: "t", Timeout: testTimeout, DialTimeout: testTimeout, Cache: 10 * time.Second,
		Logf: func(format string, args ...any) {
			line := fmt.Sprintf(format, args...)
			if t.Log(line); strings.Contains(line, "leads to another server") {
				warnings.Add(1)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "the cluster is reached", func() bool { return s.Ping(context.Background()) == nil })
	for i := range 40 {
		readNear(t, s, create(t, s, "app", "user"+strconv.Itoa(i), 1000))
	}
	if n := warnings.Load(); n > 0 {
		t.Errorf("a feed ended %d times", n)
	}
}

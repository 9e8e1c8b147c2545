package redis

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// openAsleep opens a store with near reads behind the proxy, and waits until it sends no
// beats, since nothing was read.
func openAsleep(t *testing.T, server *redistest.Server, proxy *stallingProxy, cache time.Duration) *Store {
	t.Helper()
	s, err := Open(Options{
		Host: "127.0.0.1", Port: proxy.Addr().(*net.TCPAddr).Port, Namespace: "t",
		Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf, Cache: cache,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
	sleep(t, server)
	return s
}

// sleep waits until no beats are sent to a server.
func sleep(t *testing.T, server *redistest.Server) {
	t.Helper()
	eventually(t, "no beats are sent", func() bool {
		before := calls(t, server)["publish"]
		time.Sleep(300 * time.Millisecond)
		return calls(t, server)["publish"] <= before+1
	})
}

// TestNearSleep has a store read nothing for so long that it sends no more beats: it is on all
// the same, has lost no lease, and what Redis then answers first is answered again.
func TestNearSleep(t *testing.T) {
	server := redistest.Start(t)
	const cache = 300 * time.Millisecond
	s := openAsleep(t, server, startStallingProxy(t, server), cache)
	token := create(t, s, "app", "user", 1000)
	const tries, most = 10, 7 // a busy machine may be late
	kept := 0
	for range tries {
		before := s.near.Figures()
		sleep(t, server)
		if f := s.near.Figures(); !f.Lease || f.LeasesLost != before.LeasesLost {
			t.Errorf("asleep: %+v, before: %+v", f, before)
		}
		get(t, s, token)
		for begun := time.Now(); time.Since(begun) < cache; {
			if _, ok := s.near.Get("app", token); ok {
				kept++
				break
			}
		}
		sleep(t, server)
	}
	if t.Logf("%d of %d", kept, tries); kept < most {
		t.Errorf("of %d first answers %d were kept", tries, kept)
	}
}

// TestNearSleepReceives has a session end after the read that wakes a store, while what is published
// is held back: it is answered for 200 ms at most.
func TestNearSleepReceives(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	other := openNear(t, server, "t", time.Second)
	s := openAsleep(t, server, proxy, time.Second)
	ctx := context.Background()
	token := create(t, other, "app", "user", 1000)
	proxy.stalls.Store(true)
	get(t, s, token)
	if ok, err := other.Kill(ctx, "app", token); !ok || err != nil {
		t.Fatal(ok, err)
	}
	killed := time.Now()
	if _, ok := s.near.Get("app", token); ok {
		t.Error("it is answered while nothing is received")
	}
	proxy.stalls.Store(false)
	for begun := killed; begun.Sub(killed) < time.Second; begun = time.Now() {
		if _, ok := s.near.Get("app", token); ok && begun.Sub(killed) > 200*time.Millisecond {
			t.Fatalf("it is answered %v after its end", begun.Sub(killed))
		}
	}
	if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/internal/testcert"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

// maxConns is what docs/redis.md says of the connections to one Redis.
const maxConns = 16

// openConns returns how many connections of stores a server has.
func openConns(t *testing.T, server *redistest.Server) int {
	t.Helper()
	return len(connIDs(t, server))
}

// connIDs returns the ids that a server has given to those connections.
func connIDs(t *testing.T, server *redistest.Server) (ids []string) {
	t.Helper()
	list, _ := server.Do(t, "CLIENT", "LIST").(string)
	for line := range strings.Lines(list) {
		if id, _, _ := strings.Cut(line, " "); strings.Contains(line, "name=rest-sessions") {
			ids = append(ids, id)
		}
	}
	return ids
}

// manyCalls makes reads and sets of a session, many at once.
func manyCalls(t *testing.T, s *Store, token string) {
	t.Helper()
	ctx := context.Background()
	var wg sync.WaitGroup
	for i := range 3 * 128 {
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = s.Get(ctx, "app", token)
			case 1:
				_, err = s.GetWith(ctx, "app", token)
			default:
				_, err = s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestClosedWhileIdle has Redis close idle connections, as it does after its timeout and
// when it restarts: no call may notice.
func TestClosedWhileIdle(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("client", "client")
	server, addr := redistest.StartTLS(t, authority, "127.0.0.1")
	for name, o := range map[string]Options{
		"plain": {Host: "127.0.0.1", Port: server.Port()},
		"TLS":   {URL: "rediss://" + addr, TLS: TLS{CA: authority.CA, Cert: cert, Key: key}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := reach(t, o)
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			token := create(t, s, "app", "user", 100)
			for range 20 {
				manyCalls(t, s, token)
				if n := openConns(t, server); n > maxConns {
					t.Errorf("%d connections", n)
				}
				server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				eventually(t, "they are closed", func() bool { return openConns(t, server) == 0 })
				if _, err := s.Get(ctx, "app", token); err != nil {
					t.Fatalf("get: %v", err)
				}
				if _, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "2"}}); err != nil {
					t.Fatalf("set: %v", err)
				}
			}
		})
	}
}

// TestClosedWhileIdleOnACluster does the same with what asks all buckets of an app at once, on
// the connection to each node that calls share.
func TestClosedWhileIdleOnACluster(t *testing.T) {
	cluster := ofCluster(t)
	s := openCluster(t, cluster, 64, nil)
	defer s.Close()
	ctx := context.Background()
	for i := range 10 {
		create(t, s, "app", fmt.Sprint("user", i), 100)
	}
	for range 10 {
		if _, err := s.Activity(ctx, "app", 60); err != nil {
			t.Fatalf("activity: %v", err)
		}
		if _, err := s.SessionsOfApp(ctx, "app", 60).Next(ctx); err != nil {
			t.Fatalf("soapp: %v", err)
		}
		if _, err := s.KillApp(ctx, "other"); err != nil {
			t.Fatalf("killall: %v", err)
		}
		for _, master := range cluster.Masters {
			open := connIDs(t, master)
			master.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			eventually(t, "they are closed", func() bool {
				return !slices.ContainsFunc(connIDs(t, master), func(id string) bool { return slices.Contains(open, id) })
			})
		}
		// A call that is sent before the end is read here would notice.
		eventually(t, "their ends are read", func() bool { return reads() == 0 })
	}
}

// reads returns how many connections rueidis reads in the background.
func reads() int {
	var stacks bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	return bytes.Count(stacks.Bytes(), []byte("rueidis.(*pipe)._backgroundRead"))
}

// TestTimeoutOfOne has a read give up on a stopped Redis while another one, that came later,
// waits behind it: that one is answered when Redis goes on within its own time.
func TestTimeoutOfOne(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const timeout = 2 * briefTimeout
	s, _ := openLogged(t, server.Port(), timeout)
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Fatal(err)
	}
	var first, second sync.WaitGroup
	server.Pause()
	first.Go(func() {
		start := time.Now()
		_, err := s.Get(ctx, "app", token)
		if took := time.Since(start); !errors.Is(err, store.ErrUnavailable) || took < timeout {
			t.Errorf("the first, after %v: %v", took, err)
		}
	})
	time.Sleep(timeout / 2)
	second.Go(func() {
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Errorf("the second: %v", err)
		}
	})
	first.Wait() // no longer than the second may take
	server.Resume()
	second.Wait()
	// Both were executed, once each.
	eventually(t, "both are counted", func() bool { return counter(t, server, s, token, "r") == 4 })
}

// TestTimeoutOfSome does the same with calls that share a connection.
func TestTimeoutOfSome(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const timeout = 2 * briefTimeout
	s, _ := openLogged(t, server.Port(), timeout)
	ctx := context.Background()
	call := func() error {
		_, err := s.client.RunAll(ctx, []wire.Command{{Keys: []string{"t:n"}, Args: []string{"INCR"}}})
		return err
	}
	for range 20 { // until none has to connect
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	var first, others sync.WaitGroup
	server.Pause()
	for range 2 {
		first.Go(func() {
			start := time.Now()
			if err, took := call(), time.Since(start); !errors.Is(err, store.ErrUnavailable) || took < timeout {
				t.Errorf("one of the first, after %v: %v", took, err)
			}
		})
	}
	time.Sleep(timeout / 2)
	for range 2 {
		others.Go(func() {
			if err := call(); err != nil {
				t.Errorf("one of the others: %v", err)
			}
		})
	}
	first.Wait() // no longer than the others may take
	server.Resume()
	others.Wait()
	// All were executed, once each.
	eventually(t, "all are counted", func() bool { return server.Do(t, "GET", "t:n") == "24" })
}

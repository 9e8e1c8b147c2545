package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// counter reads r or w of a session from Redis itself.
func counter(t *testing.T, server *redistest.Server, s *Store, token, name string) int {
	t.Helper()
	text, _ := server.Do(t, "HGET", classicKeys(s).session("app", token), name).(string)
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q", name, text)
	}
	return n
}

// TestNothingIsSentTwice cuts the connection after Redis has executed a request and
// before, or while, its reply is passed on: the outcome is unknown to us, and the
// request was executed once.
func TestNothingIsSentTwice(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server)
	s := openQuiet(t, proxy.Port())
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	// Redis must hold the scripts: else what is cut is its asking for them.
	s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "0"}})
	s.Get(ctx, "app", token)
	for i := range 20 {
		part := float64(i%2) / 2
		// Connected again, and what the last cut made the circuit ask is answered.
		quiet(t, s)
		w := counter(t, server, s, token, "w")
		proxy.Cut("EVALSHA", part)
		if _, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: strconv.Itoa(i)}}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("a set whose reply was cut at %v: %v", part, err)
		}
		quiet(t, s)
		if got := counter(t, server, s, token, "w"); got != w+1 {
			t.Fatalf("a set whose reply was cut at %v: w goes from %d to %d", part, w, got)
		}

		r := counter(t, server, s, token, "r")
		proxy.Cut("EVALSHA", part)
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("a get whose reply was cut at %v: %v", part, err)
		}
		quiet(t, s)
		if got := counter(t, server, s, token, "r"); got != r+1 {
			t.Fatalf("a get whose reply was cut at %v: r goes from %d to %d", part, r, got)
		}
	}
	if proxy.Cuts() != 40 {
		t.Errorf("%d cuts", proxy.Cuts())
	}
}

// TestCutUnderLoad cuts connections while many set different keys of one session
// in shared batches. Each key that is there was written once, as w says, and none
// that was acknowledged is missing.
func TestCutUnderLoad(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server)
	s := openQuiet(t, proxy.Port())
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	var acknowledged sync.Map
	var sent, answered, unknown atomic.Int64
	const cuts = 20
	var setting sync.WaitGroup
	for caller := range 32 {
		setting.Go(func() {
			for i := 0; proxy.Cuts() < cuts; i++ {
				// One that is refused at once is not sent.
				for s.client.Refused() != nil {
					time.Sleep(time.Millisecond)
				}
				sent.Add(1)
				key := fmt.Sprintf(`"k%d_%d"`, caller, i)
				switch _, err := s.Set(ctx, "app", token, store.Data{{Key: key, Value: "1"}}); {
				case err == nil:
					acknowledged.Store(key, true)
					answered.Add(1)
				case errors.Is(err, store.ErrUnavailable):
					unknown.Add(1)
				default:
					t.Errorf("set: %v", err)
				}
			}
		})
	}
	for i := range cuts {
		before := answered.Load()
		eventually(t, "sets are answered", func() bool { return answered.Load() > before })
		proxy.Cut("EVALSHA", float64(i%4)/4)
		eventually(t, "it is cut", func() bool { return proxy.Cuts() == i+1 })
	}
	setting.Wait()
	d, _ := server.Do(t, "HGET", classicKeys(s).session("app", token), "d").(string)
	if got, want := counter(t, server, s, token, "w")-1, strings.Count(d, `"k`); got != want {
		t.Errorf("w counts %d sets, and %d keys were written", got, want)
	}
	acknowledged.Range(func(key, _ any) bool {
		if !strings.Contains(d, key.(string)) {
			t.Errorf("%s was acknowledged and is missing", key)
		}
		return true
	})
	written, failed := strings.Count(d, `"k`), int(unknown.Load())
	t.Logf("%d sets: %d without an answer, %d of them executed", sent.Load(), failed, written-int(sent.Load())+failed)
	if failed == 0 {
		t.Error("nothing was tried")
	}
}

// openQuiet opens a store and waits until the write of the start is done, which a cut could
// hit instead of a call of the test.
func openQuiet(t *testing.T, port int) *Store {
	t.Helper()
	s, _ := openLogged(t, port, testTimeout)
	eventually(t, "the write of the start is done", s.Writable)
	return s
}

// quiet waits until s is connected and no probe runs, which a cut could hit instead.
func quiet(t *testing.T, s *Store) {
	t.Helper()
	eventually(t, "it is connected", func() bool {
		return s.Ping(t.Context()) == nil && !s.client.Probing()
	})
}

// TestCutListIsNoEnd cuts the connection while a list is read: rueidis calls that
// io.EOF, and so does store.List the end.
func TestCutListIsNoEnd(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server)
	s := openQuiet(t, proxy.Port())
	ctx := context.Background()
	create(t, s, "app", "user", 100)
	for name, list := range map[string]func() store.List{
		"SessionsOfID":  func() store.List { return s.SessionsOfID(ctx, "app", "user") },
		"SessionsOfApp": func() store.List { return s.SessionsOfApp(ctx, "app", 60) },
	} {
		quiet(t, s)
		proxy.Cut("EVALSHA", 0)
		if _, err := list().Next(ctx); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, io.EOF) {
			t.Errorf("%s of a connection that was cut: %v", name, err)
		}
	}
}

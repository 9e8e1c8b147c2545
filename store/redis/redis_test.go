package redis

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/storetest"
)

const (
	// testTimeout is far above what a loaded machine needs for a round trip, or to connect.
	testTimeout = 10 * time.Second
	// briefTimeout is that of stores whose Redis stops: longer than a loaded machine stands
	// still, and no more, since the tests wait for it. What must not fail is done by a patient
	// store.
	briefTimeout = 2 * time.Second
)

var namespaces atomic.Int64

// openTest opens a store in a namespace of its own on server. With a clock, its
// scripts ask that for the time.
func openTest(tb testing.TB, server *redistest.Server, clock *storetest.Clock) *Store {
	tb.Helper()
	o := Options{Host: "127.0.0.1", Port: server.Port(), Namespace: newNamespace(), Timeout: testTimeout, DialTimeout: testTimeout, Logf: tb.Logf}
	if clock != nil {
		var set func(now int64)
		o.Clock, set = server.Clock(tb, o.Namespace)
		clock.OnChange(set)
	}
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	// Else they would count among the calls of the test, and read fields that the test sets.
	eventually(tb, "the writes of the start are done", func() bool { return s.Writable() && !s.client.Probing() })
	return s
}

// newNamespace returns a namespace that no other test has.
func newNamespace() string { return "t" + strconv.FormatInt(namespaces.Add(1), 10) }

func TestConformance(t *testing.T) {
	server := redistest.Start(t)
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store {
		return openTest(t, server, clock)
	})
}

// create starts a session and returns its token.
func create(tb testing.TB, s store.Store, app, id string, ttl int64) string {
	tb.Helper()
	token := store.NewToken(id)
	if _, err := s.Create(context.Background(), app, token, store.New{ID: id, IP: "127.0.0.1", TTL: ttl}); err != nil {
		tb.Fatal(err)
	}
	return token
}

// strs turns a reply of redistest into strings.
func strs(tb testing.TB, reply any) []string {
	tb.Helper()
	return enginetest.Strings(tb, reply)
}

// TestServerClock proves that scripts ask Redis for the time, not this host.
func TestServerClock(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	token := create(t, s, "app", "user", 100)
	before, _ := strconv.ParseInt(strs(t, server.Do(t, "TIME"))[0], 10, 64)
	la, _ := strconv.ParseInt(fmt.Sprint(server.Do(t, "HGET", classicKeys(s).session("app", token), "la")), 10, 64)
	if la < before-5 || la > before {
		t.Errorf("la is %d where Redis' clock says %d", la, before)
	}
}

// TestOneRoundTrip sees with MONITOR that each operation that a client waits
// for is one EVALSHA and nothing else.
func TestOneRoundTrip(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	var token string
	operations := []struct {
		name string
		run  func() error
	}{
		{"create", func() error {
			_, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100})
			return err
		}},
		{"get", func() error { _, err := s.Get(ctx, "app", token); return err }},
		{"set", func() error {
			_, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}})
			return err
		}},
		{"get with details", func() error { _, err := s.GetWith(ctx, "app", token); return err }},
		{"peek", func() error { _, err := s.Peek(ctx, "app", token); return err }},
		{"touch", func() error { _, err := s.Touch(ctx, "app", token, 100, 0); return err }},
		{"killsoid by a handle", func() error { _, err := s.KillHandle(ctx, "app", "user", store.Handle("x")); return err }},
		{"move", func() error {
			fresh := store.NewToken("user")
			_, err := s.Move(ctx, "app", token, fresh, store.Move{ID: "user", MaxSessions: 2})
			token = fresh
			return err
		}},
		{"rotate", func() error {
			_, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 10)
			return err
		}},
		{"get by an old token", func() error { _, err := s.Get(ctx, "app", token); return err }},
		{"create with a limit", func() error {
			n := store.New{ID: "user", IP: "::1", TTL: 100, MaxAge: 200, MaxSessions: 2}
			_, err := s.Create(ctx, "app", store.NewToken("user"), n)
			return err
		}},
		{"activity", func() error { _, err := s.Activity(ctx, "app", 60); return err }},
		{"soid of a small user", func() error {
			chunk, err := s.SessionsOfID(ctx, "app", "user").Next(ctx)
			if err == nil && len(chunk) != 2 {
				err = fmt.Errorf("%d sessions, not 2", len(chunk))
			}
			return err
		}},
		{"kill", func() error { _, err := s.Kill(ctx, "app", token); return err }},
		{"killsoid of a small user", func() error { _, err := s.KillID(ctx, "app", "user", ""); return err }},
	}
	seen := monitor(t, server)
	// The first round loads the scripts; the second is judged.
	for round := range 2 {
		token = create(t, s, "app", "user", 100)
		for _, o := range operations {
			seen() // what came before
			if err := o.run(); err != nil {
				t.Fatalf("round %d, %s: %v", round, o.name, err)
			}
			if got := seen(); round == 1 && !slices.Equal(got, []string{"evalsha"}) {
				t.Errorf("%s sent %q, not one evalsha", o.name, got)
			}
		}
	}
}

// monitor watches a server with MONITOR. What it returns tells the names of the
// commands that clients sent since it was last called, without those that scripts
// ran and PING, which is the client's keep-alive.
func monitor(t *testing.T, server *redistest.Server) func() []string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, "MONITOR\r\n")
	lines := bufio.NewScanner(conn)
	lines.Scan() // +OK
	marks := 0
	return func() (sent []string) {
		marks++
		mark := fmt.Sprintf("mark %d", marks)
		server.Do(t, "ECHO", mark)
		for lines.Scan() {
			// +1700000000.123456 [0 127.0.0.1:50000] "evalsha" "…"
			line := lines.Text()
			if strings.Contains(line, strconv.Quote(mark)) {
				return sent
			}
			_, command, _ := strings.Cut(line, `] "`)
			name, _, _ := strings.Cut(command, `"`)
			if name = strings.ToLower(name); !strings.Contains(line, "[0 lua]") && name != "ping" {
				sent = append(sent, name)
			}
		}
		t.Fatalf("MONITOR ended: %v", lines.Err())
		return nil
	}
}

// calls returns how often each command was run.
func calls(t *testing.T, server *redistest.Server) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, line := range strings.Split(fmt.Sprint(server.Do(t, "INFO", "commandstats")), "\r\n") {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if ok {
			count, _, _ := strings.Cut(rest, ",")
			n[name], _ = strconv.Atoi(count)
		}
	}
	return n
}

// TestDifferential does the same to this engine and to the embedded one, which has
// a directory every other time.
func TestDifferential(t *testing.T) {
	server := redistest.Start(t)
	for seed := uint64(1); seed <= 8; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			clock := storetest.NewClock(1_700_000_030)
			a := openTest(t, server, clock)
			defer a.Close()
			b := embedded.New(embedded.Options{Now: clock.Now})
			if seed%2 == 0 {
				var err error
				if b, err = embedded.Open(embedded.Options{Now: clock.Now, Dir: t.TempDir(), NoSync: true, Logf: t.Logf}); err != nil {
					t.Fatal(err)
				}
			}
			defer b.Close()
			storetest.Differential(t, seed, 5000, a, b, clock)
			checkIndexes(t, server, a)
		})
	}
}

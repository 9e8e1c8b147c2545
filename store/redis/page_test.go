package redis

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/list"
	"rest-sessions/store/storetest"
)

// TestPagesOfABusyMinute lists an app whose sessions were all active within a minute, in
// another order than the index has them. Scores are as a Node server writes them, whole
// seconds, so that many are the same. Between the pages some are read and some end.
func TestPagesOfABusyMinute(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const n, limit = 600, 25
	var tokens []string
	for i := range n {
		if i%120 == 119 {
			clock.Advance(5)
		}
		token := create(t, s, "app", "user"+strconv.Itoa(i), 7200)
		tokens = append(tokens, token)
		server.Do(t, "ZADD", classicKeys(s).sessions("app"), strconv.FormatInt(clock.Now(), 10), token+":user"+strconv.Itoa(i))
	}
	clock.Advance(20)
	for i := 0; i < n; i += 10 { // the index says nothing of it
		if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	times, gone := map[string]int{}, map[string]bool{}
	began, before, cursor := clock.Now(), clock.Now(), ""
	for n := 1; n == 1 || cursor != ""; n++ {
		p := s.PageOfApp(ctx, "app", 1000, limit, cursor)
		for {
			chunk, err := p.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, session := range chunk {
				times[session.ID]++
				la := clock.Now() - session.Idle
				if la > before {
					t.Errorf("page %d: %s, active at %d, comes after one of %d", n, session.ID, la, before)
				}
				before = la
			}
		}
		if cursor = p.Cursor(); cursor == "" {
			break
		}
		clock.Advance(1)
		for i := 1; i < len(tokens); i += 10 {
			if gone["user"+strconv.Itoa(i)] {
				continue
			}
			if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
				t.Fatal(err)
			}
		}
		i := 2 + n*10
		gone["user"+strconv.Itoa(i)] = true
		if _, err := s.Kill(ctx, "app", tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	if clock.Now() < began+n/limit/2 {
		t.Errorf("the list ended after %d s", clock.Now()-began)
	}
	for i := range n {
		id := "user" + strconv.Itoa(i)
		if got := times[id]; got > 1 || got < 1 && i%10 != 1 && !gone[id] {
			t.Errorf("%s is listed %d times", id, got)
		}
	}
}

// TestPagesAreExact proves that the order is that of the hashes, although the index says
// otherwise.
func TestPagesAreExact(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const n = 400
	first := create(t, s, "app", "first", 7200)
	clock.Advance(1)
	seed(t, s, "app", n, 7200)
	clock.Advance(58)
	if _, err := s.Get(ctx, "app", first); err != nil {
		t.Fatal(err)
	}
	chunk, err := s.PageOfApp(ctx, "app", 100, 10, "").Next(ctx)
	if err != nil || chunk[0].ID != "first" {
		t.Errorf("the latest of all is not first: %v, %v", chunk, err)
	}
}

// TestPageOfACursorAlone goes on at a cursor with nothing of what made it.
func TestPageOfACursorAlone(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	namespace := strings.TrimSuffix(s.keys.NS, ":")
	expression, _ := server.Clock(t, namespace) // that of s
	other, err := Open(Options{Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: testTimeout, DialTimeout: testTimeout, Clock: expression})
	if err != nil {
		t.Fatal(err)
	}
	seed(t, s, "app", 300, 7200)
	ctx := context.Background()
	page := s.PageOfApp(ctx, "app", 100, list.ChunkSize, "")
	if _, err := page.Next(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := page.Next(ctx); err != io.EOF {
		t.Fatal(err)
	}
	s.Close()
	rest := 0
	defer other.Close()
	for cursor := page.Cursor(); cursor != ""; {
		page := other.PageOfApp(ctx, "app", 100, 150, cursor)
		for {
			chunk, err := page.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rest += len(chunk)
		}
		cursor = page.Cursor()
	}
	if rest != 300-list.ChunkSize {
		t.Errorf("after %d sessions of 300 come %d", list.ChunkSize, rest)
	}
}

// TestPageCallsAreBounded counts what a page of a big app and of a big user sends.
func TestPageCallsAreBounded(t *testing.T) {
	server := redistest.Start(t, "--slowlog-log-slower-than", "0", "--slowlog-max-len", "20000")
	s := openTest(t, server, nil)
	defer s.Close()
	const n = 20_000
	const mostStep = 100 // entries a call, of internal/list
	seed(t, s, "app", n, 7200)
	for range 300 {
		create(t, s, "app", "big", 7200)
	}
	ctx := context.Background()
	for name, c := range map[string]struct {
		page store.Page
		most int
	}{
		// All were active within a minute: the index does not say which was the last.
		"of the app": {s.PageOfApp(ctx, "app", 1000, 10, ""), (n+300)/mostStep + 8},
		"of a user":  {s.PageOfID(ctx, "app", "big", 10, ""), 3},
	} {
		before := calls(t, server)["evalsha"]
		start := time.Now()
		if chunk, err := c.page.Next(ctx); err != nil || len(chunk) != 10 {
			t.Errorf("%s: %d sessions, %v", name, len(chunk), err)
		}
		took, got := time.Since(start), calls(t, server)["evalsha"]-before
		if got > c.most {
			t.Errorf("%s: %d calls, want at most %d", name, got, c.most)
		}
		t.Logf("%s: %d calls in %v", name, got, took)
	}
	long, longest := slowest(t, server, 2e6)
	t.Logf("longest call %v, %d over 2 ms", longest, long)
}

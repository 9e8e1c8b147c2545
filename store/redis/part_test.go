package redis

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/redis/redistest"
	"rest-sessions/store/storetest"
)

// parts lists an app in parts, and calls between with their numbers.
func parts(t *testing.T, s *Store, app string, dt int64, limit int, between func(n int, c store.Cursor)) (all []store.Session) {
	t.Helper()
	ctx := context.Background()
	cursor := ""
	for n := 1; ; n++ {
		p := s.PartOfApp(ctx, app, dt, limit, cursor)
		for {
			page, err := p.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page...)
		}
		if cursor = p.Cursor(); cursor == "" {
			return all
		}
		c, err := store.ParseCursor(cursor, store.ListOfApp(app))
		if err != nil {
			t.Fatal(err)
		}
		between(n, c)
	}
}

// TestPartsByIndex lists an app in which more was active in a minute than a part
// looks at: in the order of the index, each once, and those active meanwhile at
// last. Scores are as a Node server writes them, whole seconds, so that many are
// the same, and the session at which a part ends goes before the next.
func TestPartsByIndex(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	s.exactLooks = 0
	ctx := context.Background()
	const n, limit = 1500, 50
	var tokens []string
	for i := range n {
		if i%300 == 299 {
			clock.Advance(5)
		}
		token := create(t, s, "app", "user"+strconv.Itoa(i), 7200)
		tokens = append(tokens, token)
		server.Do(t, "ZADD", s.keys.sessions("app"), strconv.FormatInt(clock.Now(), 10), token+":user"+strconv.Itoa(i))
	}
	clock.Advance(20)
	for i := 0; i < n; i += 10 { // the index says nothing of it
		if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, busy := range []bool{false, true} {
		gone := map[string]bool{}
		times := map[string]int{}
		idle, length := int64(0), 0
		list := parts(t, s, "app", 1000, limit, func(part int, c store.Cursor) {
			if c.Stage != store.ByIndex && c.Stage != store.Moved {
				t.Errorf("part %d ends in stage %d", part, c.Stage)
			}
			if !busy {
				return
			}
			clock.Advance(1)
			for i := 1; i < n; i += 10 {
				if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
					t.Fatal(err)
				}
			}
			i := 2 + part*10
			gone["user"+strconv.Itoa(i)] = true
			if _, err := s.Kill(ctx, "app", tokens[i]); err != nil {
				t.Fatal(err)
			}
		})
		for _, session := range list {
			times[session.ID]++
			if length++; !busy && session.Idle < idle-store.MaxWindow {
				t.Errorf("place %d has been idle for %d s, after one of %d s", length, session.Idle, idle)
			}
			idle = max(idle, session.Idle)
		}
		for i := range n {
			id := "user" + strconv.Itoa(i)
			most := 1
			if busy && i%10 == 1 {
				most = 2
			}
			if got := times[id]; (got < 1 || got > most) && !gone[id] {
				t.Errorf("busy %v: %s is listed %d times", busy, id, got)
			}
		}
	}
}

// TestPartsExactWhereFew proves that the order is exact while a minute holds fewer
// sessions than a part looks at, although the index says otherwise.
func TestPartsExactWhereFew(t *testing.T) {
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
	page, err := s.PartOfApp(ctx, "app", 100, 10, "").Next(ctx)
	if err != nil || page[0].ID != "first" {
		t.Errorf("the latest of all is not first: %v, %v", page, err)
	}
}

// TestPartOfACursorAlone goes on at a cursor with nothing of what made it.
func TestPartOfACursorAlone(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	namespace := strings.TrimSuffix(s.keys.ns, ":")
	other, err := open(Options{Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: testTimeout}, keyClock(namespace))
	if err != nil {
		t.Fatal(err)
	}
	seed(t, s, "app", 300, 7200)
	ctx := context.Background()
	part := s.PartOfApp(ctx, "app", 100, listPageSize, "")
	if _, err := part.Next(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := part.Next(ctx); err != io.EOF {
		t.Fatal(err)
	}
	s.Close()
	rest := 0
	defer other.Close()
	for cursor := part.Cursor(); cursor != ""; {
		part := other.PartOfApp(ctx, "app", 100, 150, cursor)
		for {
			page, err := part.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rest += len(page)
		}
		cursor = part.Cursor()
	}
	if rest != 300-listPageSize {
		t.Errorf("after %d sessions of 300 come %d", listPageSize, rest)
	}
}

// TestPartCallsAreBounded counts what a part of a big app and of a big user sends.
func TestPartCallsAreBounded(t *testing.T) {
	server := redistest.Start(t, "--slowlog-log-slower-than", "0", "--slowlog-max-len", "20000")
	s := openTest(t, server, nil)
	defer s.Close()
	const n = 20_000
	seed(t, s, "app", n, 7200)
	for range 300 {
		create(t, s, "app", "big", 7200)
	}
	ctx := context.Background()
	first := s.PartOfApp(ctx, "app", 1000, 10, "")
	first.Next(ctx)
	for name, c := range map[string]struct {
		part store.Part
		most int
	}{
		// The exact order is given up; then the first hundred entries are enough.
		"first of the app": {s.PartOfApp(ctx, "app", 1000, 10, ""), (exactLooks+10*exactLooksEach)/listPageSize + n/scanStep + 8},
		"of a user":        {s.PartOfID(ctx, "app", "big", 10, ""), 3},
		"by index":         {s.PartOfApp(ctx, "app", 1000, 10, first.Cursor()), 6},
	} {
		before := calls(t, server)["evalsha"]
		if page, err := c.part.Next(ctx); err != nil || len(page) != 10 {
			t.Errorf("%s: %d sessions, %v", name, len(page), err)
		}
		if got := calls(t, server)["evalsha"] - before; got > c.most {
			t.Errorf("%s: %d calls, want at most %d", name, got, c.most)
		}
	}
	long, longest := slowest(t, server, 2e6)
	t.Logf("longest call %v, %d over 2 ms", longest, long)
}

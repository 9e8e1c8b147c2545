package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/list"
	"rest-sessions/store/storetest"
)

// bigApp is how many sessions the tests of big apps make.
const bigApp = 50_000

// seed starts n sessions of an app, many at a time.
func seed(tb testing.TB, s *Store, app string, n int, ttl int64) {
	tb.Helper()
	const workers = 64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				id := "user" + strconv.Itoa(i/2) // two sessions a user
				if _, err := s.Create(context.Background(), app, store.NewToken(id), store.New{ID: id, IP: "127.0.0.1", TTL: ttl}); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// slowest returns how many calls Redis took more than limit for since the log was
// cleared, and the longest of them. It is Redis' own measure and a matter of the
// machine, so it is shown, not judged: what a call may do is bounded by its chunk.
func slowest(tb testing.TB, server *redistest.Server, limit time.Duration) (n int, longest time.Duration) {
	entries, ok := server.Do(tb, "SLOWLOG", "GET", "-1").([]any)
	if !ok {
		tb.Fatal("no SLOWLOG")
	}
	for _, e := range entries {
		us, _ := strconv.Atoi(fmt.Sprint(e.([]any)[2]))
		took := time.Duration(us) * time.Microsecond
		longest = max(longest, took)
		if took > limit {
			n++
		}
	}
	return n, longest
}

// TestBigApp lists, wipes and kills many sessions of one app.
func TestBigApp(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute under the race detector")
	}
	server := redistest.Start(t, "--slowlog-log-slower-than", "1000", "--slowlog-max-len", "20000")
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	step := func(name string, f func()) {
		server.Do(t, "SLOWLOG", "RESET")
		start := time.Now()
		f()
		n, longest := slowest(t, server, 2*time.Millisecond)
		t.Logf("%s: %v, longest call %v, %d over 2 ms", name, time.Since(start).Round(time.Millisecond), longest, n)
	}

	step("create", func() { seed(t, s, "app", bigApp, 100) })
	step("soapp", func() {
		if got := countSessions(t, s.SessionsOfApp(ctx, "app", 60)); got != bigApp {
			t.Errorf("soapp listed %d", got)
		}
	})
	clock.Advance(50)
	seed(t, s, "app", bigApp/2, 1000)
	clock.Advance(100) // the first are over, the others not
	step("wipe", func() {
		if n, err := s.Wipe(ctx); n != bigApp || err != nil {
			t.Errorf("wiped %d, %v", n, err)
		}
	})
	step("killall", func() {
		if n, err := s.KillApp(ctx, "app"); n != bigApp/2 || err != nil {
			t.Errorf("killed %d, %v", n, err)
		}
	})
	if keys := strs(t, server.Do(t, "KEYS", s.keys.NS+"*")); len(keys) > 0 {
		t.Errorf("%d keys are left", len(keys))
	}
}

func countSessions(t *testing.T, l store.List) int {
	t.Helper()
	n := 0
	for {
		chunk, err := l.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(chunk)
	}
}

// TestChunksOfBytes lists sessions whose data fills a chunk before their number
// does.
func TestChunksOfBytes(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	const n, size = 50, 20_000
	value := `"` + fmt.Sprintf("%0*d", size, 0) + `"`
	for range n {
		_, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100, Data: store.Data{{Key: `"a"`, Value: value}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, l := range map[string]store.List{"soid": s.SessionsOfID(ctx, "app", "user"), "soapp": s.SessionsOfApp(ctx, "app", 60)} {
		total := 0
		for {
			chunk, err := l.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if most := list.ChunkBytes/size + 1; len(chunk) > most {
				t.Errorf("%s: a chunk of %d sessions of %d bytes, where %d fill it", name, len(chunk), size, most)
			}
			total += len(chunk)
		}
		if total != n {
			t.Errorf("%s listed %d of %d", name, total, n)
		}
	}
}

// TestListBehindTheWalk lists an app of two steps. After the first, a Node server reads a
// session of the second in the second in which it was active last: its score loses the
// fraction, so its entry stands behind the walk. Every session is listed, and once.
func TestListBehindTheWalk(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, storetest.NewClock(1_700_000_040))
	defer s.Close()
	const n = list.ChunkSize + list.ChunkSize/2
	for i := range n { // all in one second: all with one score
		create(t, s, "app", "user"+strconv.Itoa(i), 1000)
	}
	members := strs(t, server.Do(t, "ZRANGE", classicKeys(s).sessions("app"), "0", "-1"))
	for i, member := range members {
		s.client.Observer = &onceAfter{f: func() { server.Do(t, "ZADD", classicKeys(s).sessions("app"), "1700000040", member) }}
		seen := map[string]int{}
		for l := s.SessionsOfApp(context.Background(), "app", 60); ; {
			chunk, err := l.Next(context.Background())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, session := range chunk {
				seen[session.ID]++
			}
		}
		for id, times := range seen {
			if times > 1 {
				t.Errorf("entry %d moved: %s is listed %d times", i, id, times)
			}
		}
		if len(seen) != n {
			t.Fatalf("entry %d moved: %d sessions listed of %d", i, len(seen), n)
		}
		server.Do(t, "ZADD", classicKeys(s).sessions("app"), "1700000040.000001", member)
	}
}

// onceAfter calls f after the first round trip.
type onceAfter struct {
	unobserved
	f func()
}

func (o *onceAfter) RoundTrip(time.Duration) {
	if f := o.f; f != nil {
		o.f = nil
		f()
	}
}

// TestSoappCursor takes away the session at which a chunk ended, before the next.
func TestSoappCursor(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	const n = 3 * list.ChunkSize
	seed(t, s, "app", n, 1000) // all in one second: all with one score
	key := classicKeys(s).sessions("app")
	sessions := s.SessionsOfApp(context.Background(), "app", 60)
	members := strs(t, server.Do(t, "ZRANGE", key, "0", "-1"))
	for _, last := range []int{list.ChunkSize - 1, 2*list.ChunkSize - 1} {
		score := fmt.Sprint(server.Do(t, "ZSCORE", key, members[last]))
		server.Do(t, "ZREM", key, members[last])
		reply, err := s.client.Run(context.Background(), s.scripts.scan, []string{key},
			[]string{classicKeys(s).prefix("app"), strconv.Itoa(list.ChunkSize), "60", strconv.FormatInt(clock.Now(), 10), "up", score, members[last]})
		if err != nil {
			t.Fatal(err)
		}
		parts, _ := reply.ToArray()
		text, _ := parts[4].ToString()
		want := members[last+1][:store.TokenLen]
		if entries, err := list.AppendEntries(nil, text); err != nil || len(entries) == 0 || entries[0].Token.String() != want {
			t.Errorf("after %s, which has gone, comes %.74s, not %s", members[last], text, want)
		}
	}
	if got := countSessions(t, sessions); got != n-2 {
		t.Errorf("listed %d of %d", got, n-2)
	}
}

// TestUserOfSeveralChunks lists users at the border of what goes out in one reply,
// and beyond, where the set is walked.
func TestUserOfSeveralChunks(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	made := 0
	for _, n := range []int{1, list.ChunkSize, list.ChunkSize + 1, list.WholeUser, list.WholeUser + 1, list.WholeUser + 500} {
		for ; made < n; made++ {
			create(t, s, "app", "user", 1000)
		}
		l, got := s.SessionsOfID(ctx, "app", "user"), 0
		for {
			chunk, err := l.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(chunk) > 2*list.ChunkSize { // SSCAN may give more than it was asked for
				t.Errorf("a chunk of %d sessions", len(chunk))
			}
			got += len(chunk)
		}
		if got != n {
			t.Errorf("listed %d of %d", got, n)
		}
	}
}

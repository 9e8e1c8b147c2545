package migrate

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/storetest"
)

// place is the sessions of a namespace, to copy from there and to there.
type place struct {
	*redis.Store
	source source
	target *target
	nodes  []*redistest.Server
}

// onServer opens a namespace of the test's own on one Redis, with a clock.
func onServer(t *testing.T, server *redistest.Server, suffix string, clock *storetest.Clock) place {
	o := at(t, server, suffix)
	var set func(now int64)
	o.Clock, set = server.Clock(t, o.Namespace)
	clock.OnChange(set)
	return openPlace(t, o, []*redistest.Server{server})
}

// onCluster is onServer for a cluster.
func onCluster(t *testing.T, suffix string, buckets int, clock *storetest.Clock) place {
	nodes := cluster(t)
	o := at(t, nodes.Masters[0], suffix)
	o.Buckets = buckets
	var set func(now int64)
	o.Clock, set = nodes.Clock(t, o.Namespace)
	clock.OnChange(set)
	return openPlace(t, o, nodes.Masters)
}

func openPlace(t *testing.T, o redis.Options, nodes []*redistest.Server) place {
	to, err := openTarget(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.close)
	return place{to.store, source{to.side, to.script("export"), to.script("there")}, to, nodes}
}

func (p place) layout(t *testing.T) layout.Layout {
	l, err := p.Client().Layout(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// key is that of a session on one Redis.
func (p place) key(t *testing.T, token string) string {
	return p.layout(t).OfToken("shop", token).Session(token)
}

func (p place) checkIndexes(t *testing.T) {
	t.Helper()
	enginetest.CheckIndexes(t, p.nodes, p.layout(t))
}

// copyAll copies a namespace's sessions and returns what became of them.
func copyAll(t *testing.T, a, b place, ahead int64, dry bool) map[outcome]int {
	t.Helper()
	ctx := context.Background()
	from, to := &a.source, b.target
	apps, err := from.apps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	became := map[outcome]int{}
	for _, app := range apps {
		buckets, err := from.buckets(ctx, app)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range buckets {
			for at := (position{Score: "-inf"}); at.Score != ""; {
				chunk, err := from.export(ctx, p, at, 0)
				if err != nil {
					t.Fatal(err)
				}
				copied, err := to.copySessions(ctx, app, chunk.Live, ahead, dry)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range copied {
					became[c]++
				}
				at = chunk.Next
			}
		}
	}
	return became
}

func forgetAll(t *testing.T, p place, app string) {
	t.Helper()
	s := p.target
	buckets, err := s.buckets(context.Background(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		for cursor, more := "0", true; more; more = cursor != "0" {
			if cursor, err = s.forget(context.Background(), b, cursor); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fill makes sessions of all kinds.
func fill(t *testing.T, s *redis.Store, clock *storetest.Clock) (tokens []string) {
	t.Helper()
	ctx := context.Background()
	for i := range 250 {
		id := "user:" + strconv.Itoa(i%200)
		n := store.New{ID: id, IP: "::1", TTL: int64(100 + i*60), NoResave: i%7 == 0}
		if i%3 == 0 {
			n.Data = store.Data{{Key: `"i"`, Value: strconv.Itoa(i)}, {Key: `"big"`, Value: `"` + strings.Repeat("é", i*30) + `"`}}
		}
		if i%5 == 0 {
			n.MaxAge = int64(500 + i)
		}
		token := store.NewToken(id)
		if _, err := s.Create(ctx, "shop", token, n); err != nil {
			t.Fatal(err)
		}
		if i%11 == 0 {
			var err error
			if token, _, err = s.Rotate(ctx, "shop", token, store.NewTokenLike(token), 10); err != nil {
				t.Fatal(err)
			}
		}
		tokens = append(tokens, token)
		if i%2 == 0 {
			clock.Advance(1)
			if _, err := s.Get(ctx, "shop", tokens[i/2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tokens
}

// createFor makes a session that lives for a ttl.
func createFor(t *testing.T, s *redis.Store, id string, ttl int64) string {
	t.Helper()
	token := store.NewToken(id)
	if _, err := s.Create(context.Background(), "shop", token, store.New{ID: id, IP: "127.0.0.1", TTL: ttl}); err != nil {
		t.Fatal(err)
	}
	return token
}

// TestImport copies from one Redis to a cluster, from there to another, and back to
// one Redis: every hash is the same in the end, and every index entry is as our own
// scripts would have written it, also when the clocks differ.
func TestImport(t *testing.T) {
	server := redistest.Start(t)
	clock, later := storetest.NewClock(1_700_000_030), storetest.NewClock(1_700_000_030)
	first := onServer(t, server, "-1", clock)
	tokens := fill(t, first.Store, clock)
	later.Set(clock.Now() + 1000)
	const ahead = 1000
	second := onCluster(t, "-2", 64, later)
	third := onCluster(t, "-3", 8, clock)
	fourth := onServer(t, server, "-4", clock)

	before, err := first.SessionsOfApp(context.Background(), "shop", 5000).Next(context.Background())
	if err != nil || len(before) == 0 {
		t.Fatal(err)
	}
	alive := 0
	for _, step := range []struct {
		from, to place
		ahead    int64
	}{{first, second, ahead}, {second, third, -ahead}, {third, fourth, 0}} {
		if got := copyAll(t, step.from, step.to, step.ahead, true); len(got) != 1 {
			t.Fatalf("a dry run would do %v", got)
		}
		got := copyAll(t, step.from, step.to, step.ahead, false)
		if alive = got[copiedNew]; alive < len(tokens)/2 || len(got) != 1 {
			t.Fatalf("a copy of %d sessions did %v", len(tokens), got)
		}
		if got := copyAll(t, step.from, step.to, step.ahead, false); got[copiedSame] != alive || len(got) != 1 {
			t.Errorf("a second copy did %v", got)
		}
		forgetAll(t, step.to, "shop")
	}
	second.checkIndexes(t)
	third.checkIndexes(t)
	fourth.checkIndexes(t)
	for _, token := range tokens {
		want := enginetest.Hash(t, server, first.key(t, token))
		got := enginetest.Hash(t, server, fourth.key(t, token))
		if len(got) > 0 && !maps.Equal(got, want) {
			t.Errorf("%s was %v and is %v", token, want, got)
		}
	}
	ctx := context.Background()
	for _, dt := range []int64{10, 60, 10_000} {
		a, err1 := first.Activity(ctx, "shop", dt)
		b, err2 := fourth.Activity(ctx, "shop", dt)
		if err1 != nil || err2 != nil || a != b {
			t.Errorf("activity of %d s was %d and is %d (%v, %v)", dt, a, b, err1, err2)
		}
	}
	after, err := fourth.SessionsOfApp(ctx, "shop", 5000).Next(ctx)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the list is another: %v\n%v\n%v", err, before, after)
	}
}

// TestImportHeedsTheTarget holds that what happened to a copy stands.
func TestImportHeedsTheTarget(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_030)
	from, to := onServer(t, server, "-a", clock), onServer(t, server, "-b", clock)
	ctx := context.Background()
	get := func(s place, token string) {
		t.Helper()
		if _, err := s.Get(ctx, "shop", token); err != nil {
			t.Fatal(err)
		}
	}
	kill := func(s place, token string) {
		t.Helper()
		if ok, err := s.Kill(ctx, "shop", token); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	do := map[string]func(token string){
		"newer":   func(token string) { get(from, token) },
		"changed": func(token string) { get(to, token) },
		"both":    func(token string) { get(from, token); get(to, token) },
		"ended":   func(token string) { kill(to, token) },
		// Killed there while it was used here, it stays killed.
		"ended also": func(token string) { kill(to, token); get(from, token) },
		"rotated":    func(token string) { to.Rotate(ctx, "shop", token, store.NewTokenLike(token), 10) },
		"same":       func(string) {},
	}
	want := map[outcome]int{copiedNewer: 1, copyChanged: 1, copiedBoth: 1, copyEnded: 3, copiedSame: 1}
	tokens := map[string]string{}
	for what := range do {
		tokens[what] = createFor(t, from.Store, "u"+what, 7200)
	}
	if got := copyAll(t, from, to, 0, false); got[copiedNew] != len(do) {
		t.Fatal(got)
	}
	clock.Advance(5)
	for what, f := range do {
		f(tokens[what])
	}
	before := server.Do(t, "HGETALL", to.key(t, tokens["both"]))
	if got := copyAll(t, from, to, 0, false); !maps.Equal(got, want) {
		t.Errorf("it did %v, not %v", got, want)
	}
	if after := server.Do(t, "HGETALL", to.key(t, tokens["both"])); !slices.Equal(enginetest.Strings(t, after), enginetest.Strings(t, before)) {
		t.Errorf("a session used in both was %v and is %v", before, after)
	}
	if s, err := to.Get(ctx, "shop", tokens["newer"]); err != nil || s.R != 2 {
		t.Errorf("one used in the source has %+v, %v", s, err)
	}
	for _, what := range []string{"ended", "ended also"} {
		if _, err := to.Get(ctx, "shop", tokens[what]); err != store.ErrNotFound {
			t.Errorf("one %s in the target: %v", what, err)
		}
	}
	// One whose copy was over, and wiped, while it went on where it is.
	clock.Advance(7200)
	token := createFor(t, from.Store, "late", 100)
	copyAll(t, from, to, 0, false)
	clock.Advance(90)
	get(from, token)
	clock.Advance(90)
	if n, err := to.Wipe(ctx); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	copyAll(t, from, to, 0, false)
	get(to, token)
	forgetAll(t, to, "shop")
	to.checkIndexes(t)
}

// TestSettle holds which copies end with their sessions.
func TestSettle(t *testing.T) {
	clock := storetest.NewClock(1_700_000_030)
	from, to := onServer(t, redistest.Start(t), "", clock), onCluster(t, "", 8, clock)
	ctx := context.Background()
	settle := func(dry bool) (n settled) {
		t.Helper()
		buckets, err := to.target.buckets(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range buckets {
			tokens, next, err := to.target.copies(ctx, p, "0")
			if err != nil || next != "0" {
				t.Fatal(next, err)
			}
			there, err := from.source.there(ctx, "shop", tokens, clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			m, err := to.target.settle(ctx, p, tokens, there, clock.Now(), dry)
			if err != nil {
				t.Fatal(err)
			}
			n.Add(m)
		}
		return n
	}
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, createFor(t, from.Store, "user"+strconv.Itoa(i), 100))
	}
	copyAll(t, from, to, 0, false)
	own := createFor(t, to.Store, "own", 7200)
	clock.Advance(5)
	for _, token := range tokens[:40] {
		from.Kill(ctx, "shop", token)
	}
	for _, token := range tokens[30:40] { // used here after it was killed there
		to.Get(ctx, "shop", token)
	}
	for _, token := range tokens[50:60] {
		to.Kill(ctx, "shop", token)
	}
	fresh, _, err := from.Rotate(ctx, "shop", tokens[60], store.NewTokenLike(tokens[60]), 10)
	if err != nil {
		t.Fatal(err)
	}
	copyAll(t, from, to, 0, false)
	want := settled{Live: 50, Ended: 10, Dropped: 41}
	for _, dry := range []bool{true, false} {
		if got := settle(dry); got != want {
			t.Errorf("dry %v: settled %+v, not %+v", dry, got, want)
		}
	}
	if got := settle(false); got != (settled{Live: 50, Ended: 10}) {
		t.Errorf("settled again: %+v", got)
	}
	for token, there := range map[string]bool{tokens[0]: false, tokens[35]: false, tokens[45]: true, tokens[55]: false, tokens[60]: false, fresh: true, own: true} {
		if _, err := to.Get(ctx, "shop", token); (err == nil) != there {
			t.Errorf("%s: %v", token, err)
		}
	}
	// In use here, and over there for that: it stays.
	clock.Advance(90)
	to.Get(ctx, "shop", tokens[45])
	clock.Advance(50)
	if got := settle(false); got != (settled{Kept: 1}) {
		t.Errorf("when the source is over: %+v", got)
	}
	forgetAll(t, to, "shop")
	to.checkIndexes(t)
}

// TestForget removes more notes than a step has: those of a big hash stand in its
// buckets, and the first are empty when the last are still full.
func TestForget(t *testing.T) {
	server := redistest.Start(t)
	s := onServer(t, server, "", storetest.NewClock(1_700_000_030))
	key := s.layout(t).Buckets("shop")[0].Migrated()
	for i := range 50 {
		args := []string{"HSET", key}
		for range 100 {
			args = append(args, store.NewToken("user"+strconv.Itoa(i)), "2 1700000000")
		}
		server.Do(t, args...)
	}
	forgetAll(t, s, "shop")
	if n := server.Do(t, "EXISTS", key); n != int64(0) {
		t.Errorf("%v notes are left", server.Do(t, "HLEN", key))
	}
}

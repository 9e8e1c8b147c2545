package redis

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// copyAll copies a namespace's sessions and returns what became of them.
func copyAll(t *testing.T, from, to *Store, ahead int64, dry bool) map[Copied]int {
	t.Helper()
	ctx := context.Background()
	apps, err := from.Apps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	became := map[Copied]int{}
	for _, app := range apps {
		buckets, err := from.Buckets(ctx, app)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range buckets {
			for at := (Position{Score: "-inf"}); at.Score != ""; {
				page, err := from.Export(ctx, p, at, 0)
				if err != nil {
					t.Fatal(err)
				}
				copied, err := to.Import(ctx, app, page.Live, ahead, dry)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range copied {
					became[c]++
				}
				at = page.Next
			}
		}
	}
	return became
}

func forgetAll(t *testing.T, s *Store, app string) {
	t.Helper()
	buckets, err := s.Buckets(context.Background(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range buckets {
		for cursor, more := "0", true; more; more = cursor != "0" {
			if cursor, err = s.Forget(context.Background(), p, cursor); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fill makes sessions of all kinds.
func fill(t *testing.T, s *Store, clock *storetest.Clock) (tokens []string) {
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

// TestImport copies from one Redis to a cluster, from there to another, and back to
// one Redis: every hash is the same in the end, and every index entry is as our own
// scripts would have written it, also when the clocks differ.
func TestImport(t *testing.T) {
	server, cluster := redistest.Start(t), ofCluster(t)
	clock, later := storetest.NewClock(1_700_000_030), storetest.NewClock(1_700_000_030)
	first := openTest(t, server, clock)
	defer first.Close()
	tokens := fill(t, first, clock)
	later.Set(clock.Now() + 1000)
	const ahead = 1000
	second := openCluster(t, cluster, 64, later)
	defer second.Close()
	third := openCluster(t, cluster, 8, clock)
	defer third.Close()
	fourth := openTest(t, server, clock)
	defer fourth.Close()

	before, err := first.SessionsOfApp(context.Background(), "shop", 5000).Next(context.Background())
	if err != nil || len(before) == 0 {
		t.Fatal(err)
	}
	alive := 0
	for _, step := range []struct {
		from, to *Store
		ahead    int64
	}{{first, second, ahead}, {second, third, -ahead}, {third, fourth, 0}} {
		if got := copyAll(t, step.from, step.to, step.ahead, true); len(got) != 1 {
			t.Fatalf("a dry run would do %v", got)
		}
		got := copyAll(t, step.from, step.to, step.ahead, false)
		if alive = got[CopiedNew]; alive < len(tokens)/2 || len(got) != 1 {
			t.Fatalf("a copy of %d sessions did %v", len(tokens), got)
		}
		if got := copyAll(t, step.from, step.to, step.ahead, false); got[CopiedSame] != alive || len(got) != 1 {
			t.Errorf("a second copy did %v", got)
		}
		forgetAll(t, step.to, "shop")
	}
	checkIndexesOn(t, cluster.Masters, second)
	checkIndexesOn(t, cluster.Masters, third)
	checkIndexes(t, server, fourth)
	for _, token := range tokens {
		want := hashOf(t, server, classicKeys(first).session("shop", token))
		got := hashOf(t, server, classicKeys(fourth).session("shop", token))
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
	from, to := openTest(t, server, clock), openTest(t, server, clock)
	defer from.Close()
	defer to.Close()
	ctx := context.Background()
	get := func(s *Store, token string) {
		t.Helper()
		if _, err := s.Get(ctx, "shop", token); err != nil {
			t.Fatal(err)
		}
	}
	kill := func(s *Store, token string) {
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
	want := map[Copied]int{CopiedNewer: 1, CopyChanged: 1, CopiedBoth: 1, CopyEnded: 3, CopiedSame: 1}
	tokens := map[string]string{}
	for what := range do {
		tokens[what] = create(t, from, "shop", "u"+what, 7200)
	}
	if got := copyAll(t, from, to, 0, false); got[CopiedNew] != len(do) {
		t.Fatal(got)
	}
	clock.Advance(5)
	for what, f := range do {
		f(tokens[what])
	}
	before := server.Do(t, "HGETALL", classicKeys(to).session("shop", tokens["both"]))
	if got := copyAll(t, from, to, 0, false); !maps.Equal(got, want) {
		t.Errorf("it did %v, not %v", got, want)
	}
	if after := server.Do(t, "HGETALL", classicKeys(to).session("shop", tokens["both"])); !slices.Equal(strs(t, after), strs(t, before)) {
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
	token := create(t, from, "shop", "late", 100)
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
	checkIndexes(t, server, to)
}

// TestSettle holds which copies end with their sessions.
func TestSettle(t *testing.T) {
	server, cluster := redistest.Start(t), ofCluster(t)
	clock := storetest.NewClock(1_700_000_030)
	from, to := openTest(t, server, clock), openCluster(t, cluster, 8, clock)
	defer from.Close()
	defer to.Close()
	ctx := context.Background()
	settle := func(dry bool) (n Settled) {
		t.Helper()
		buckets, err := to.Buckets(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range buckets {
			tokens, next, err := to.Copies(ctx, p, "0")
			if err != nil || next != "0" {
				t.Fatal(next, err)
			}
			there, err := from.There(ctx, "shop", tokens, clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			m, err := to.Settle(ctx, p, tokens, there, clock.Now(), dry)
			if err != nil {
				t.Fatal(err)
			}
			n.Add(m)
		}
		return n
	}
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, create(t, from, "shop", "user"+strconv.Itoa(i), 100))
	}
	copyAll(t, from, to, 0, false)
	own := create(t, to, "shop", "own", 7200)
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
	want := Settled{Live: 50, Ended: 10, Dropped: 41}
	for _, dry := range []bool{true, false} {
		if got := settle(dry); got != want {
			t.Errorf("dry %v: settled %+v, not %+v", dry, got, want)
		}
	}
	if got := settle(false); got != (Settled{Live: 50, Ended: 10}) {
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
	if got := settle(false); got != (Settled{Kept: 1}) {
		t.Errorf("when the source is over: %+v", got)
	}
	forgetAll(t, to, "shop")
	checkIndexesOn(t, cluster.Masters, to)
}

// TestForget removes more notes than a page has: those of a big hash stand in its
// buckets, and the first are empty when the last are still full.
func TestForget(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	key := s.keys.NS + "shop:migrated"
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

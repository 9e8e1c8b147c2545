package migrate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestMigrate takes a site from one Redis to a cluster, step by step.
func TestMigrate(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[1], "")}
	from, to := open(t, o.From), open(t, o.To)
	ctx := context.Background()
	var tokens []string
	for i := range 700 {
		app := []string{"shop", "blog"}[i%2]
		tokens = append(tokens, create(t, from, app, "user"+strconv.Itoa(i%500)))
	}
	app := func(i int) string { return []string{"shop", "blog"}[i%2] }
	said, err := run(t, ctx, o)
	want(t, said, err, "700 copied, 0 brought up to date", "shop: 350 live in the source, 350 copies live", "--last")

	// The site goes on.
	for i := range 20 {
		kill(t, from, app(i), tokens[i])
	}
	for i := 20; i < 50; i++ {
		if _, err := from.Set(ctx, app(i), tokens[i], store.Data{{Key: `"late"`, Value: "1"}}); err != nil {
			t.Fatal(err)
		}
	}
	fresh, _, err := from.Rotate(ctx, "shop", tokens[60], store.NewTokenLike(tokens[60]), 0)
	if err != nil {
		t.Fatal(err)
	}
	other := create(t, from, "other", "somebody")
	said, err = run(t, ctx, o)
	want(t, said, err, "2 copied, 30 brought up to date", "11 ended, since they ended in the source", "other: 1 live in the source, 1 copies")

	o.Last = true
	said, err = run(t, ctx, o)
	want(t, said, err, "0 copied, 0 brought up to date", "complete")
	for i, token := range tokens {
		switch {
		case i < 20 || i == 60:
			gone(t, to, app(i), token)
		case i < 50:
			if s := get(t, to, app(i), token); s.W != 2 || !strings.Contains(s.D, "late") {
				t.Errorf("a session that was written meanwhile is %+v", s)
			}
		default:
			id := "user" + strconv.Itoa(i%500)
			if s := get(t, to, app(i), token); s.ID != id || s.R != 1 || s.D != `{"id":"`+id+`"}` {
				t.Errorf("a session is %+v", s)
			}
		}
	}
	get(t, to, "shop", fresh)
	get(t, to, "other", other)

	// Another run would be a mistake, and does nothing.
	kill(t, to, "other", other)
	if _, err := run(t, ctx, o); !isMistake(err) || !strings.Contains(err.Error(), "completed") {
		t.Errorf("a run after the last: %v", err)
	}
	gone(t, to, "other", other)
	for _, node := range cluster(t).Masters {
		for _, key := range node.Do(t, "KEYS", o.To.Namespace+":*migrat*").([]any) {
			if fields := node.Do(t, "HKEYS", fmt.Sprint(key)).([]any); len(fields) != 2 || strings.HasSuffix(fmt.Sprint(key), "migrated") {
				t.Errorf("left behind: %s %v", key, fields)
			}
		}
	}
}

// TestServersFirst switches the servers to the target before the last run: what they
// did there stands.
func TestServersFirst(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b")} // another namespace
	from, to := open(t, o.From), open(t, o.To)
	ctx := context.Background()
	tokens := createMany(t, from, "shop", 300)
	if _, err := run(t, ctx, o); err != nil {
		t.Fatal(err)
	}
	late := create(t, from, "shop", "late")
	kill(t, from, "shop", tokens[0])
	get(t, to, "shop", tokens[0]) // killed already, but nobody told the target
	kill(t, to, "shop", tokens[1])
	if _, err := to.Set(ctx, "shop", tokens[2], store.Data{{Key: `"here"`, Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	own := create(t, to, "shop", "own")
	fresh, _, err := to.Rotate(ctx, "shop", tokens[3], store.NewTokenLike(tokens[3]), 0)
	if err != nil {
		t.Fatal(err)
	}
	o.Last = true
	said, err := run(t, ctx, o)
	want(t, said, err, "1 copied", "2 not made again, since they ended in the target", "1 left, since they were used in the target", "2 ended in the target since", "complete")
	for _, token := range []string{tokens[0], tokens[1], tokens[3]} {
		gone(t, to, "shop", token)
	}
	for _, token := range []string{late, own, fresh, tokens[4]} {
		get(t, to, "shop", token)
	}
	if s := get(t, to, "shop", tokens[2]); s.W != 2 || !strings.Contains(s.D, "here") {
		t.Errorf("a session that was written in the target is %+v", s)
	}
}

// TestNewApp lets an app begin during a pass: the walk of the next run, which finds it,
// begins where it begins, however long the pass took.
func TestNewApp(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b")}
	from := open(t, o.From)
	create(t, from, "shop", "user")
	var once sync.Once
	token := ""
	o.Progress = quiet{func(int64) {
		once.Do(func() {
			token = create(t, from, "late", "user")
			server.Do(t, "ZADD", o.From.Namespace+":late:_sessions", "1700000000", token+":user") // long ago
		})
	}}
	if _, err := run(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	o.Last = true
	said, err := run(t, context.Background(), o)
	want(t, said, err, "late: 1 live in the source, 1 copies", "complete")
	get(t, open(t, o.To), "late", token)
}

// TestDryRun holds that nothing is written, also to a namespace that has not begun.
func TestDryRun(t *testing.T) {
	server, c := redistest.Start(t), cluster(t)
	o := Options{From: at(t, server, ""), To: at(t, c.Masters[2], ""), DryRun: true}
	from := open(t, o.From)
	createMany(t, from, "shop", 250)
	createAs(t, from, "shop", "a", strings.Repeat("x", store.TokenLen))
	sizes := func() (all []any) {
		for _, s := range append(c.Masters[:3:3], server) {
			all = append(all, s.Do(t, "DBSIZE"))
		}
		return append(all, server.Do(t, "INFO", "keyspace"))
	}
	before := sizes()
	dirty := server.Field("INFO persistence", "rdb_changes_since_last_save")
	said, err := run(t, context.Background(), o)
	want(t, said, err, "shop: 251 live in the source, 0 copies", "1 have a token", "would be done: 250 copied")
	if after := sizes(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("keys were %v and are %v", before, after)
	}
	if now := server.Field("INFO persistence", "rdb_changes_since_last_save"); now != dirty {
		t.Errorf("the source had %s changes and has %s", dirty, now)
	}
	o.DryRun = false
	run(t, context.Background(), o)
	before = sizes()
	dirty = c.Masters[0].Field("INFO persistence", "rdb_changes_since_last_save")
	o.DryRun = true
	said, err = run(t, context.Background(), o)
	want(t, said, err, "shop: 251 live in the source, 250 copies", "would be done: 0 copied, 0 brought up to date, 250 as they are")
	if after := sizes(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("keys were %v and are %v", before, after)
	}
	if now := c.Masters[0].Field("INFO persistence", "rdb_changes_since_last_save"); now != dirty {
		t.Errorf("the target had %s changes and has %s", dirty, now)
	}
}

// TestDiffer takes a session out of the target's index behind its back.
func TestDiffer(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b"), Last: true}
	from := open(t, o.From)
	token := create(t, from, "shop", "user")
	create(t, from, "shop", "other")
	o.Progress = quiet{func(int64) { server.Call("ZREM", o.To.Namespace+":shop:_sessions", token+":user") }}
	said, err := run(t, context.Background(), o)
	if !errors.Is(err, ErrDiffer) || !strings.Contains(said, "shop: the target should have 2 copies, and its index has 1") {
		t.Errorf("it ended with %v", err)
	}
}

// TestSame refuses to copy a namespace onto itself.
func TestSame(t *testing.T) {
	server, c := redistest.Start(t), cluster(t)
	same := Options{From: at(t, server, ""), To: at(t, server, "")}
	create(t, open(t, same.From), "shop", "user")
	twoNames := same
	twoNames.To.Host = "localhost"
	nodes := Options{From: at(t, c.Masters[0], ""), To: at(t, c.Masters[1], "")}
	create(t, open(t, nodes.From), "shop", "user")
	for name, o := range map[string]Options{"same": same, "two names": twoNames, "two nodes": nodes} {
		if _, err := run(t, context.Background(), o); !isMistake(err) || !strings.Contains(err.Error(), "the same") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range append(c.Masters[:3:3], server) {
		if keys := s.Do(t, "KEYS", at(t, s, "").Namespace+"*migration").([]any); len(keys) > 0 {
			t.Errorf("left behind: %v", keys)
		}
	}
	// One target, one source.
	o := Options{From: at(t, server, ""), To: at(t, server, "-b")}
	if _, err := run(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	o.From = at(t, server, "-c")
	create(t, open(t, o.From), "shop", "user")
	if _, err := run(t, context.Background(), o); !isMistake(err) || !strings.Contains(err.Error(), "has begun; complete it with --last") {
		t.Errorf("another source: %v", err)
	}
}

// TestRate holds the limit.
func TestRate(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b"), Rate: 1000}
	from := open(t, o.From)
	createMany(t, from, "shop", 700)
	began := time.Now()
	if _, err := run(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 500*time.Millisecond { // 700 less a burst
		t.Errorf("700 sessions at 1000 a second took %v", took)
	}
}

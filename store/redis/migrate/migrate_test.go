package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis"
	"rest-sessions/store/redis/redistest"
)

var shared struct {
	sync.Mutex
	*redistest.Cluster
}

// cluster returns a cluster that tests share, each with its own namespace.
func cluster(t *testing.T) *redistest.Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Cluster == nil {
		c, err := redistest.RunCluster(false)
		if errors.Is(err, redistest.ErrNoServer) && os.Getenv(redistest.RequireEnv) != "1" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		shared.Cluster = c
	}
	return shared.Cluster
}

func TestMain(m *testing.M) {
	status := m.Run()
	if shared.Cluster != nil {
		shared.Close()
	}
	os.Exit(status)
}

// at says which sessions: the test's own.
func at(t *testing.T, server *redistest.Server, suffix string) redis.Options {
	namespace := strings.NewReplacer("/", "-", "[", "*").Replace(t.Name()) + suffix
	return redis.Options{Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: 5 * time.Second, Logf: t.Logf}
}

func open(t *testing.T, o redis.Options) *redis.Store {
	t.Helper()
	s, err := redis.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// quiet is a Progress that calls a function.
type quiet struct{ add func(n int64) }

func (quiet) Begin(string, int64) {}
func (q quiet) Add(n int64) {
	if q.add != nil {
		q.add(n)
	}
}
func (quiet) End() {}

// told collects what is said, by several at once.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run migrates and returns what was said.
func run(t *testing.T, ctx context.Context, o Options) (string, error) {
	t.Helper()
	var out told
	o.Out = &out
	o.Logf = func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	if o.Progress == nil {
		o.Progress = quiet{}
	}
	err := Run(ctx, o)
	t.Logf("%v\n%s", err, out.String())
	return out.String(), err
}

func want(t *testing.T, said string, err error, words ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("it did not say %q", w)
		}
	}
}

func create(t *testing.T, s *redis.Store, app, id string) string {
	t.Helper()
	token := store.NewToken(id)
	createAs(t, s, app, id, token)
	return token
}

func createAs(t *testing.T, s *redis.Store, app, id, token string) {
	t.Helper()
	err := s.Create(context.Background(), app, token, store.New{ID: id, IP: "::1", TTL: 7200, Data: store.Data{{Key: `"id"`, Value: strconv.Quote(id)}}})
	if err != nil {
		t.Fatal(err)
	}
}

// createMany makes sessions of user0, user1 and so on.
func createMany(t *testing.T, s *redis.Store, app string, n int) []string {
	t.Helper()
	tokens := make([]string, n)
	var wg sync.WaitGroup
	const workers = 16
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				id := "user" + strconv.Itoa(i)
				tokens[i] = store.NewToken(id)
				if err := s.Create(context.Background(), app, tokens[i], store.New{ID: id, IP: "::1", TTL: 7200}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return tokens
}

func get(t *testing.T, s *redis.Store, app, token string) store.Session {
	t.Helper()
	session, err := s.Get(context.Background(), app, token)
	if err != nil {
		t.Fatalf("%s: %v", token, err)
	}
	return session
}

func kill(t *testing.T, s *redis.Store, app, token string) {
	t.Helper()
	if ok, err := s.Kill(context.Background(), app, token); !ok || err != nil {
		t.Fatalf("kill of %s: %v, %v", token, ok, err)
	}
}

func gone(t *testing.T, s *redis.Store, app, token string) {
	t.Helper()
	if session, err := s.Get(context.Background(), app, token); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s is there: %+v, %v", token, session, err)
	}
}

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
	fresh, err := from.Rotate(ctx, "shop", tokens[60], store.NewTokenLike(tokens[60]), 0)
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

func isMistake(err error) bool { _, ok := errors.AsType[Mistake](err); return ok }

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
	fresh, err := to.Rotate(ctx, "shop", tokens[3], store.NewTokenLike(tokens[3]), 0)
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

// TestResume interrupts a run again and again.
func TestResume(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], "")}
	from, to := open(t, o.From), open(t, o.To)
	const sessions = 1500
	tokens := createMany(t, from, "shop", sessions)
	runs := 0
	for n := 0; n < sessions; n = notes(t, o) {
		// A run loses at most what it was writing when it was interrupted.
		if runs++; runs > 8 {
			t.Fatalf("%d runs of 400 sessions each have copied %d of %d", runs-1, n, sessions)
		}
		ctx, stop := context.WithCancel(context.Background())
		seen := 0
		o.Progress = quiet{func(n int64) {
			if seen += int(n); seen >= 400 {
				stop()
			}
		}}
		if _, err := run(t, ctx, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("an interrupted run: %v", err)
		}
		stop()
	}
	// The pass that goes on was there already.
	if _, err := from.Set(context.Background(), "shop", tokens[0], store.Data{{Key: `"late"`, Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	o.Progress, o.Last = nil, true
	said, err := run(t, context.Background(), o)
	want(t, said, err, "shop: 1500 live in the source, 1500 copies", "complete")
	for i, token := range tokens {
		if s := get(t, to, "shop", token); i == 0 && s.W != 2 {
			t.Errorf("what was written during the pass is lost: %+v", s)
		}
	}
}

// notes counts the copies noted in the target.
func notes(t *testing.T, o Options) int {
	t.Helper()
	s := open(t, o.To)
	parts, err := s.Parts(context.Background(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range parts {
		tokens, _, err := s.Copies(context.Background(), p, "0")
		if err != nil {
			t.Fatal(err)
		}
		n += len(tokens)
	}
	return n
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

// TestRedisFails takes the target away in the middle.
func TestRedisFails(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	server, target := redistest.Start(t), redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	o := Options{From: at(t, server, ""), To: at(t, target, "")}
	from := open(t, o.From)
	createMany(t, from, "shop", 1000)
	var once sync.Once
	o.Progress = quiet{func(int64) { once.Do(target.Stop) }}
	o.To.Timeout = 300 * time.Millisecond
	if _, err := run(t, context.Background(), o); !unavailable(err) {
		t.Fatalf("with its target gone: %v", err)
	}
	if err := target.Restart(); err != nil {
		t.Fatal(err)
	}
	patience = 10 * time.Second
	o.Progress, o.Last = nil, true
	said, err := run(t, context.Background(), o)
	want(t, said, err, "1000 live in the source, 1000 copies", "complete")
}

// TestNodeTokens migrates tokens that carry no bucket.
func TestNodeTokens(t *testing.T) {
	server := redistest.Start(t)
	from := open(t, at(t, server, ""))
	var foreign []string
	for i := range 50 {
		id := "user " + strconv.Itoa(i)
		create(t, from, "shop", id)
		token := store.NewToken(id + "x")
		if store.Bucket(id)%redis.DefaultBuckets != store.Bucket(id+"x")%redis.DefaultBuckets {
			createAs(t, from, "shop", id, token)
			foreign = append(foreign, fmt.Sprintf("shop %s %q", token, id))
		}
	}
	n := len(foreign)
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], ""), Last: true, List: path}
	said, err := run(t, context.Background(), o)
	want(t, said, err, fmt.Sprintf("shop: %d live in the source, 50 copies live in the target, %d have a token that was not made", 50+n, n), "complete")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(lines)
	slices.Sort(foreign)
	if !slices.Equal(lines, foreign) {
		t.Errorf("the list is %q, not %q", lines, foreign)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the list: %v, %v", info.Mode(), err)
	}
	for _, line := range foreign {
		if token := strings.Fields(line)[1]; strings.Contains(said, token[:7]) {
			t.Errorf("it said %s", token)
		}
	}

	// One Redis takes them as they are.
	o.To, o.List = at(t, server, "-b"), ""
	said, err = run(t, context.Background(), o)
	want(t, said, err, fmt.Sprintf("%d copies", 50+n))
	to := open(t, o.To)
	for _, line := range foreign {
		get(t, to, "shop", strings.Fields(line)[1])
	}
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

// TestBroken migrates what is no session as it should be.
func TestBroken(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b"), Last: true}
	from := open(t, o.From)
	prefix := o.From.Namespace + ":shop:"
	token := func(i int) string { return strings.Repeat(strconv.Itoa(i), store.TokenLen) }
	for i := range 7 {
		createAs(t, from, "shop", "user"+strconv.Itoa(i), token(i))
	}
	long := strings.Repeat("long ", 1000)
	createAs(t, from, "shop", long, token(7))
	server.Do(t, "HDEL", prefix+token(0), "r")
	server.Do(t, "HSET", prefix+token(1), "w", "many")
	server.Do(t, "HSET", prefix+token(2), "la", "1e9")
	server.Do(t, "DEL", prefix+token(3))
	server.Do(t, "LPUSH", prefix+token(3), "x")
	server.Do(t, "DEL", prefix+token(4))
	server.Do(t, "ZADD", prefix+"_sessions", "5", "nonsense", "6", ":", "7", "short:id")
	server.Do(t, "SET", o.From.Namespace+":no:_sessions", "x") // two letters: no app
	said, err := run(t, context.Background(), o)
	want(t, said, err, "3 copied", "4 left out, since they cannot be read", "shop: 3 live in the source, 3 copies", "the session 222222… cannot be read", "complete")
	if strings.Contains(said, "2222222") {
		t.Error("a token was shown")
	}
	if s := get(t, open(t, o.To), "shop", token(7)); s.ID != long {
		t.Errorf("a session with a long id is of %.20q", s.ID)
	}
}

// TestEmptied holds that a source which has lost its data does not end the copies.
func TestEmptied(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], "")}
	from, to := open(t, o.From), open(t, o.To)
	token := create(t, from, "shop", "user")
	if _, err := run(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "FLUSHALL")
	if _, err := run(t, context.Background(), o); err == nil || !strings.Contains(err.Error(), "no sessions") {
		t.Errorf("with an empty source: %v", err)
	}
	// It may also lose them during the run.
	create(t, from, "shop", "user")
	o.Progress = quiet{func(int64) { server.Call("FLUSHALL") }}
	if _, err := run(t, context.Background(), o); err != errEmptied {
		t.Errorf("with a source that is emptied: %v", err)
	}
	get(t, to, "shop", token)
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
	if _, err := run(t, context.Background(), o); !isMistake(err) || !strings.Contains(err.Error(), "has begun, but from") {
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

package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/storetest"
)

// owner is the master that has a key's slot.
func owner(t *testing.T, cluster *redistest.Cluster, key string) *redistest.Server {
	t.Helper()
	for _, master := range cluster.Masters {
		if _, moved := master.Do(t, "EXISTS", key).(redistest.Error); !moved {
			return master
		}
	}
	t.Fatalf("nobody has %s", key)
	return nil
}

// TestRegistryHeals takes an app out of all copies of the registry but one, as if
// nodes had lost their last writes: the wiper finds it, and mends the others.
func TestRegistryHeals(t *testing.T) {
	cluster := ofCluster(t)
	clock := storetest.NewClock(1_700_000_030)
	s := openCluster(t, cluster, 64, clock)
	defer s.Close()
	create(t, s, "shop", "user", 10)
	masters := map[*redistest.Server]int{}
	for _, key := range s.registry.Keys {
		master := owner(t, cluster, key)
		masters[master]++
		if got := master.Do(t, "HKEYS", key); !sameSet(strs(t, got), []string{"shop", layout.BucketsField}) {
			t.Errorf("%s holds %v", key, got)
		}
	}
	for _, n := range masters {
		if n < layout.RegistryCopies/len(cluster.Masters) {
			t.Errorf("a master has %d copies of %d", n, layout.RegistryCopies)
		}
	}
	for i, key := range s.registry.Keys {
		if i != 5 {
			owner(t, cluster, key).Do(t, "DEL", key)
		}
	}
	clock.Advance(1000)
	if n, err := s.Wipe(context.Background()); n != 1 || err != nil {
		t.Errorf("wiped %d, %v", n, err)
	}
	for _, key := range s.registry.Keys {
		got := enginetest.Hash(t, owner(t, cluster, key), key)
		if fmt.Sprint(got) != fmt.Sprint(map[string]string{"shop": "1", layout.BucketsField: "64"}) {
			t.Errorf("%s holds %v after a wipe", key, got)
		}
	}
	ours, err := s.HasSessions(context.Background(), strings.TrimSuffix(s.keys.NS, ":"))
	if !ours || err != nil {
		t.Errorf("HasSessions: %v, %v", ours, err)
	}
	if ours, err = s.HasSessions(context.Background(), "other"); ours || err != nil {
		t.Errorf("HasSessions of another namespace: %v, %v", ours, err)
	}
}

// TestBucketsStay opens a namespace with another number of buckets than it has,
// and by several at once: all use the same, and find each other's sessions.
func TestBucketsStay(t *testing.T) {
	cluster := ofCluster(t)
	ctx := context.Background()
	open := func(buckets int, logf func(string, ...any)) *Store {
		s, err := Open(Options{
			Host: "127.0.0.1", Port: cluster.Masters[1].Port(), Namespace: "stay", Buckets: buckets,
			Timeout: testTimeout, DialTimeout: testTimeout, Logf: logf,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	var stores []*Store
	for _, buckets := range []int{16, 64, 256, 1024} {
		stores = append(stores, open(buckets, t.Logf))
	}
	tokens := make([]string, len(stores))
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() { tokens[i] = create(t, s, "app", fmt.Sprint("user", i), 1000) })
	}
	wg.Wait()
	for i, s := range stores {
		for k, token := range tokens {
			if got, err := s.Get(ctx, "app", token); err != nil || got.ID != fmt.Sprint("user", k) {
				t.Errorf("store %d reads session %d: %+v, %v", i, k, got, err)
			}
		}
	}
	var said []string
	var mu sync.Mutex
	s := open(2, func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	})
	if _, err := s.Get(ctx, "app", tokens[0]); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, "so RS_BUCKETS=2 is ignored") }) {
		t.Errorf("the log says %q", said)
	}
}

// TestClusterLayout holds what stands in a cluster against the README's table.
func TestClusterLayout(t *testing.T) {
	cluster := ofCluster(t)
	s := openCluster(t, cluster, 64, nil)
	defer s.Close()
	token := create(t, s, "shop", "a:b", 7200)
	prefix := layout.Sharded(s.keys.NS, 64).Buckets("shop")[store.Bucket("a:b")%64].Prefix
	want := append([]string{prefix + token, prefix + "_sessions", prefix + "_users", prefix + "us:a:b", prefix + "SESSIONS"}, s.registry.Keys...)
	var got []string
	for _, master := range cluster.Masters {
		got = append(got, strs(t, master.Do(t, "KEYS", s.keys.NS+"*"))...)
	}
	if !sameSet(got, want) {
		t.Errorf("keys are %q, not %q", got, want)
	}
	checkIndexesOn(t, cluster.Masters, s)
}

// TestClusterOneRoundTrip sees with MONITOR that an operation on one session or
// one user is one EVALSHA on one node and nothing else.
func TestClusterOneRoundTrip(t *testing.T) {
	cluster := ofCluster(t)
	s := openCluster(t, cluster, 64, nil)
	defer s.Close()
	ctx := context.Background()
	var seen []func() []string
	for _, master := range cluster.Masters {
		seen = append(seen, monitor(t, master))
	}
	sent := func() (all []string) {
		for _, f := range seen {
			all = append(all, slices.DeleteFunc(f(), func(name string) bool { return name == "cluster" })...)
		}
		return all
	}
	for round := range 2 { // the first loads scripts and registers the app
		token := create(t, s, "app", "user", 100)
		for _, o := range []struct {
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
			{"soid", func() error { _, err := s.SessionsOfID(ctx, "app", "user").Next(ctx); return err }},
			{"kill", func() error { _, err := s.Kill(ctx, "app", token); return err }},
			{"killsoid", func() error { _, err := s.KillID(ctx, "app", "user", ""); return err }},
		} {
			sent()
			if err := o.run(); err != nil {
				t.Fatalf("%s: %v", o.name, err)
			}
			if got := sent(); round == 1 && !slices.Equal(got, []string{"evalsha"}) {
				t.Errorf("%s sent %q, not one evalsha", o.name, got)
			}
		}
	}
}

// TestClusterTellsSlot has a session change and end on a cluster, and listens on the
// channel of its slot.
func TestClusterTellsSlot(t *testing.T) {
	s := openCluster(t, ofCluster(t), 64, nil)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	old := create(t, s, "app", "user", 100)
	l, err := s.layout(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.client.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client, release := conn.Client.Dedicate()
	defer release()
	told, subscribed := make(chan string, 100), make(chan struct{})
	client.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(rueidis.PubSubSubscription) { close(subscribed) },
		OnMessage:      func(m rueidis.PubSubMessage) { told <- m.Message },
	})
	client.Do(ctx, client.B().Ssubscribe().Channel(l.OfID("app", "user").Cache()).Build())
	<-subscribed
	want := []string{"app:" + old}
	token, _, err := s.Rotate(ctx, "app", old, store.NewTokenLike(old), 10)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, "app:"+token, "app:"+token, "app:"+token)
	if _, err := s.Set(ctx, "app", old, number(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Touch(ctx, "app", token, 200, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.KillID(ctx, "app", "user", ""); err != nil {
		t.Fatal(err)
	}
	for i, message := range want {
		select {
		case got := <-told:
			if got != message {
				t.Errorf("message %d is %q, not %q", i, got, message)
			}
		case <-ctx.Done():
			t.Fatalf("message %d is not heard", i)
		}
	}
}

// TestClusterTellsNoNode has sessions end and change on a cluster: no Node server can
// be there to hear of it.
func TestClusterTellsNoNode(t *testing.T) {
	cluster := ofCluster(t)
	s := openCluster(t, cluster, 64, nil)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	told, subscribed := make(chan string, 100), make(chan struct{})
	old := create(t, s, "app", "user", 100)
	channel := s.keys.NS + "cache"
	go subscriber(ctx, s, channel, subscribed, told)
	<-subscribed
	token, _, err := s.Rotate(ctx, "app", old, store.NewTokenLike(old), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Set(ctx, "app", token, number(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, "app", store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 100, MaxSessions: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.KillApp(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	for _, server := range cluster.Masters { // wherever the subscriber is
		server.Do(t, "PUBLISH", channel, "the end")
	}
	select {
	case got := <-told:
		if got != "the end" {
			t.Errorf("%q was told", got)
		}
	case <-ctx.Done():
		t.Fatal("the subscriber hears nothing")
	}
}

// TestClusterBadNamespace refuses a namespace whose braces would be the hash tag.
func TestClusterBadNamespace(t *testing.T) {
	cluster := ofCluster(t)
	s, err := Open(Options{Host: "127.0.0.1", Port: cluster.Masters[0].Port(), Namespace: "a{b}", Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf})
	if err != nil {
		return
	}
	defer s.Close()
	if err := s.Ping(context.Background()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "namespace") {
		t.Errorf("%v", err)
	}
}

// TestClusterAccessList gives a user of each node what docs/redis.md says is enough on
// a Redis Cluster, and has a slot move, so that nodes are asked with ASKING.
func TestClusterAccessList(t *testing.T) {
	cluster := redistest.StartCluster(t, false)
	readme, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile("```text\nACL SETUSER sessions (\\+cluster.*)\n```").FindSubmatch(readme)
	if more == nil {
		t.Fatal("docs/redis.md has no ACL SETUSER for a cluster")
	}
	for _, node := range cluster.Masters {
		setUser(t, node, "sessions", append(accessRules(t, "sessions"), strings.Fields(strings.ReplaceAll(string(more[1]), "drs:", "t:"))...))
	}
	s, log, err := reach(t, Options{URL: "redis://sessions:secret@" + cluster.Masters[1].Addr(), Timeout: testTimeout, DialTimeout: testTimeout})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	lay, err := s.layout(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for i := 0; id == ""; i++ {
		if masterOf(lay.OfID("app", fmt.Sprint("user", i)).Slot) == 0 {
			id = fmt.Sprint("user", i)
		}
	}
	token := create(t, s, "app", id, 100)
	of := lay.OfID("app", id)
	if err := cluster.BeginMove(of.Slot, cluster.Masters[0], cluster.Masters[1]); err != nil {
		t.Fatal(err)
	}
	keys := []string{of.Session(token), of.Sessions(), of.Users(), of.User(id), of.Wipe}
	if err := cluster.MoveKeys(cluster.Masters[0], cluster.Masters[1], keys...); err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() { _, err := s.Get(ctx, "app", token); read <- err }() // ASK sends it on
	time.Sleep(50 * time.Millisecond)
	if err := cluster.EndMove(of.Slot, cluster.Masters[0], cluster.Masters[1]); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("a get while the slot moved: %v", err)
	}
	for method, err := range everyMethod(s, token) {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := s.HasSessions(ctx, "t"); err != nil {
		t.Errorf("HasSessions: %v", err)
	}
	if log.String() != "" {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestOtherLayout makes calls whose keys were named for one Redis, on a cluster that
// stands in its place by now: rueidis would panic.
func TestOtherLayout(t *testing.T) {
	s := openCluster(t, ofCluster(t), 64, nil)
	defer s.Close()
	ctx := context.Background()
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	token := store.NewToken("user")
	l := layout.Classic(s.keys.NS)
	p := l.Buckets("app")[0]
	keys := []string{p.Session(token)}
	_, err := s.client.Run(ctx, s.scripts.peek, keys, nil)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Run: %v", err)
	}
	_, err = s.client.RunBatched(ctx, s.scripts.peek, keys, nil)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("RunBatched: %v", err)
	}
	if _, err = s.kill(ctx, l, p, token); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("kill: %v", err)
	}
	if _, err = s.readers[layout.ClassicGroup].plain.get(ctx, l, layout.Bucket{}, "app", token); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
}

package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

var shared struct {
	sync.Mutex
	*redistest.Cluster
}

// cluster returns a cluster that tests share, each with its own namespace.
func cluster(t *testing.T) *redistest.Cluster {
	t.Helper()
	redistest.SkipShort(t)
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
	t.Cleanup(func() { // for the same test once more
		for _, s := range shared.Masters {
			s.Do(t, "FLUSHALL")
		}
	})
	return shared.Cluster
}

func TestMain(m *testing.M) {
	status := m.Run()
	if shared.Cluster != nil {
		shared.Close()
	}
	os.Exit(status)
}

// patient is a time-out that a loaded machine does not need.
const patient = 20 * time.Second

// at says which sessions: the test's own.
func at(t *testing.T, server *redistest.Server, suffix string) redis.Options {
	namespace := strings.NewReplacer("/", "-", "[", "*").Replace(t.Name()) + suffix
	return redis.Options{Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: patient, DialTimeout: patient, Logf: t.Logf}
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

// run migrates and returns what was said.
func run(t *testing.T, ctx context.Context, o Options) (string, error) {
	t.Helper()
	var out redistest.Log
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
	_, err := s.Create(context.Background(), app, token, store.New{ID: id, IP: "::1", TTL: 7200, Data: store.Data{{Key: `"id"`, Value: strconv.Quote(id)}}})
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
				if _, err := s.Create(context.Background(), app, tokens[i], store.New{ID: id, IP: "::1", TTL: 7200}); err != nil {
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

func isMistake(err error) bool { _, ok := errors.AsType[Mistake](err); return ok }

package redis

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/storetest"
)

// nearStore is a Store with near reads for suites that want each read to be known at once:
// before what shows counts or activity of many sessions, and before the clock moves, the
// late reads are counted.
type nearStore struct {
	*Store
	hits    *atomic.Uint64
	rotated *sync.Map // app and old token: the token that took its place
}

// openNearTest is openTest or openCluster with near reads, which age by the clock.
func openNearTest(tb testing.TB, o Options, open func(Options) *Store, clock *storetest.Clock, hits *atomic.Uint64, set func(now int64)) nearStore {
	tb.Helper()
	s := nearStore{hits: hits, rotated: new(sync.Map)}
	clock.OnChange(func(int64) {
		if s.Store != nil {
			s.near.Flush()
		}
	})
	clock.OnChange(set)
	o.Cache = 10 * time.Second
	o.nearClock = func() time.Duration { return time.Duration(clock.Now()) * time.Second }
	s.Store = open(o)
	eventually(tb, "Redis is reached", func() bool { return s.Ping(tb.Context()) == nil && s.Writable() })
	return s
}

// RepeatsR implements storetest.RepeatsR: a read in flight does not count those answered near
// meanwhile.
func (nearStore) RepeatsR() {}

func (s nearStore) Close() {
	s.hits.Add(s.near.Figures().Hits)
	s.Store.Close()
}

// Near reads do not know that a session is read by an old token, so here nothing is held
// when one is used.
func (s nearStore) Get(ctx context.Context, app, token string) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.Get(ctx, app, token)
}

func (s nearStore) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.GetWith(ctx, app, token)
}

func (s nearStore) Peek(ctx context.Context, app, token string) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.Peek(ctx, app, token)
}

func (s nearStore) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.Set(ctx, app, token, d)
}

func (s nearStore) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.SetIf(ctx, app, token, w, d)
}

// forget brings the late reads of an old token's session to Redis, and returns what ends
// its answers.
func (s nearStore) forget(app, token string) func() {
	app, token = strings.Clone(app), strings.Clone(token)
	if _, old := s.rotated.Load(app + token); !old {
		return func() {}
	}
	s.near.Flush()
	return func() { s.drop(app, token) }
}

func (s nearStore) drop(app, token string) {
	for fresh, ok := s.rotated.Load(app + token); ok; fresh, ok = s.rotated.Load(app + fresh.(string)) {
		s.near.Drop(app, fresh.(string))
	}
}

func (s nearStore) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	app, token = strings.Clone(app), strings.Clone(token)
	defer s.forget(app, token)()
	now, details, err := s.Store.Rotate(ctx, app, token, fresh, grace)
	if err == nil && now == fresh {
		s.rotated.Store(app+token, fresh)
	}
	return now, details, err
}

func (s nearStore) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	defer s.forget(app, token)()
	return s.Store.Touch(ctx, app, token, ttl, maxAge)
}

func (s nearStore) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	s.near.Flush()
	return s.Store.Activity(ctx, app, dt)
}

func (s nearStore) SessionsOfApp(ctx context.Context, app string, dt int64) store.List {
	s.near.Flush()
	return s.Store.SessionsOfApp(ctx, app, dt)
}

func (s nearStore) SessionsOfID(ctx context.Context, app, id string) store.List {
	s.near.Flush()
	return s.Store.SessionsOfID(ctx, app, id)
}

func (s nearStore) PageOfApp(ctx context.Context, app string, dt int64, limit int, cursor string) store.Page {
	s.near.Flush()
	return s.Store.PageOfApp(ctx, app, dt, limit, cursor)
}

func (s nearStore) PageOfID(ctx context.Context, app, id string, limit int, cursor string) store.Page {
	s.near.Flush()
	return s.Store.PageOfID(ctx, app, id, limit, cursor)
}

func (s nearStore) Create(ctx context.Context, app, token string, n store.New) (store.Details, error) {
	if n.MaxSessions > 0 {
		s.near.Flush()
	}
	return s.Store.Create(ctx, app, token, n)
}

func (s nearStore) Move(ctx context.Context, app, token, fresh string, m store.Move) (store.Details, error) {
	if m.MaxSessions > 0 {
		s.near.Flush()
	}
	return s.Store.Move(ctx, app, token, fresh, m)
}

func (s nearStore) Kill(ctx context.Context, app, token string) (bool, error) {
	s.near.Flush() // the last activity outlives the session
	return s.Store.Kill(ctx, app, token)
}

func (s nearStore) KillID(ctx context.Context, app, id, except string) (int64, error) {
	s.near.Flush()
	return s.Store.KillID(ctx, app, id, except)
}

func (s nearStore) KillHandle(ctx context.Context, app, id, handle string) (bool, error) {
	s.near.Flush()
	return s.Store.KillHandle(ctx, app, id, handle)
}

// onOne opens stores with near reads on one Redis.
func onOne(tb testing.TB, server *redistest.Server, hits *atomic.Uint64) func(*storetest.Clock) nearStore {
	return func(clock *storetest.Clock) nearStore {
		o := Options{Host: "127.0.0.1", Port: server.Port(), Namespace: newNamespace(), Timeout: testTimeout, DialTimeout: testTimeout, Logf: tb.Logf}
		var set func(now int64)
		o.Clock, set = server.Clock(tb, o.Namespace)
		return openNearTest(tb, o, func(o Options) *Store {
			s, err := Open(o)
			if err != nil {
				tb.Fatal(err)
			}
			return s
		}, clock, hits, set)
	}
}

// TestNearConformance is TestConformance with near reads.
func TestNearConformance(t *testing.T) {
	server := redistest.Start(t)
	var hits atomic.Uint64
	t.Run("all", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store { return onOne(t, server, &hits)(clock) })
	})
	if t.Logf("%d hits", hits.Load()); hits.Load() == 0 {
		t.Error("no read was answered near")
	}
}

// thrice is a store that makes each read three times.
type thrice struct{ store.Store }

func (s thrice) Get(ctx context.Context, app, token string) (store.Session, error) {
	s.Store.Get(ctx, app, token)
	s.Store.Get(ctx, app, token)
	return s.Store.Get(ctx, app, token)
}

func (s thrice) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	s.Store.GetWith(ctx, app, token)
	s.Store.GetWith(ctx, app, token)
	return s.Store.GetWith(ctx, app, token)
}

// TestNearDifferential is TestDifferential with near reads.
func TestNearDifferential(t *testing.T) {
	server := redistest.Start(t)
	var hits atomic.Uint64
	t.Run("all", func(t *testing.T) {
		for seed := uint64(1); seed <= 4; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				clock := storetest.NewClock(1_700_000_030)
				a := onOne(t, server, &hits)(clock)
				defer a.Close()
				b := embedded.New(embedded.Options{Now: clock.Now})
				defer b.Close()
				storetest.Differential(t, seed, 5000, thrice{a}, thrice{b}, clock)
				a.near.Flush()
				checkIndexes(t, server, a.Store)
			})
		}
	})
	if t.Logf("%d hits", hits.Load()); hits.Load() < 50 {
		t.Error("hardly a read was answered near")
	}
}

// TestNearClusterDifferential is the same on a cluster.
func TestNearClusterDifferential(t *testing.T) {
	cluster := ofCluster(t)
	var hits atomic.Uint64
	t.Run("all", func(t *testing.T) {
		clock := storetest.NewClock(1_700_000_030)
		o := Options{Namespace: newNamespace(), Buckets: 64, Timeout: testTimeout, DialTimeout: testTimeout}
		var set func(now int64)
		o.Clock, set = cluster.Clock(t, o.Namespace)
		a := openNearTest(t, o, func(o Options) *Store { return openClusterAs(t, cluster, o) }, clock, &hits, set)
		defer a.Close()
		b := embedded.New(embedded.Options{Now: clock.Now})
		defer b.Close()
		storetest.Differential(t, 1, 3000, thrice{a}, thrice{b}, clock)
		a.near.Flush()
		checkIndexesOn(t, cluster.Masters, a.Store)
	})
	if t.Logf("%d hits", hits.Load()); hits.Load() < 10 {
		t.Error("hardly a read was answered near")
	}
}

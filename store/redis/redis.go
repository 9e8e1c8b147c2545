// Package redis keeps sessions in one Redis or a Redis Cluster, on one Redis in the
// layout of the npm module redis-sessions, so that Node servers can run on the same data.
// Every operation that a client waits for is one EVALSHA; lists and mass removals work in
// steps, one EVALSHA each, so that none holds Redis for long. Nothing is sent twice: a
// read raises a counter, so it is a write.
package redis

import (
	"cmp"
	"context"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/list"
	"rest-sessions/store/redis/internal/near"
	"rest-sessions/store/redis/internal/registry"
	"rest-sessions/store/redis/internal/wire"
)

// Observer is told of each round trip to Redis. It is called by many goroutines
// at once.
type Observer interface {
	// RoundTrip is told how long one took, also one that failed.
	RoundTrip(took time.Duration)
	// Batch is told how many reads shared a script call.
	Batch(reads int)
	// Circuit is told when calls begin to fail at once, since Redis does not answer,
	// and when they no longer do.
	Circuit(open bool)
	// Evicts is told whether Redis can evict sessions, each time it was asked.
	Evicts(can bool)
}

// ReloadObserver is an Observer that is also told the outcome of each Reload.
type ReloadObserver interface {
	Reloaded(ok bool)
}

// unobserved is the Observer of those who give none.
type unobserved struct{}

func (unobserved) RoundTrip(time.Duration) {}
func (unobserved) Batch(int)               {}
func (unobserved) Circuit(bool)            {}
func (unobserved) Evicts(bool)             {}

// Store is a store.Store on one Redis.
type Store struct {
	client   *wire.Client
	keys     layout.Keyspace
	scripts  *scripts
	readers  [layout.Groups]readers
	lists    list.Source
	writers  [layout.Groups]*writers
	registry *registry.Registry
	timeout  time.Duration
	logf     func(format string, args ...any)

	eviction *eviction
	readOnly bool // nothing may be written
	// mergedInRedis is the constant of that name unless a test sets it.
	mergedInRedis int
	maxData       int
	merges        turns
	near          *near.Cache // nil if no read is answered near
}

var _ store.Store = (*Store)(nil)

// Open makes a store. It does not wait for Redis: while that cannot be reached,
// every method answers store.ErrUnavailable, and they serve soon after it is
// there. An error means that the options are wrong.
func Open(o Options) (*Store, error) {
	w := o.wire()
	watch := o.Observer
	if watch == nil {
		watch = unobserved{}
	}
	s := &Store{
		readOnly: o.ReadOnly,
		keys:     w.Keys,
		scripts:  newScripts(o.Clock),
		timeout:  o.Timeout,
		logf:     w.Logf,
		eviction: &eviction{logf: w.Logf, watch: watch},
		registry: registry.New(w.Keys.NS, o.Buckets, o.ReadOnly, w.Logf),

		mergedInRedis: mergedInRedis,
		maxData:       cmp.Or(o.MaxData, store.DefaultMaxData),
	}
	hooks := wire.Hooks{
		Cluster: s.registry.Layout,
		ProbeWrite: func(ctx context.Context, client *wire.Client) error {
			err := s.probeWrite(ctx, client)
			if conn := client.Made(); err == nil && conn != nil && !s.eviction.known.Load() {
				s.eviction.ask(ctx, conn.Client, s.timeout)
			}
			return err
		},
		Reached: func(ctx context.Context, client rueidis.Client) { s.eviction.ask(ctx, client, s.timeout) },
	}
	if o, ok := watch.(ReloadObserver); ok {
		hooks.Reloaded = o.Reloaded
	}
	client, err := wire.New(w, hooks)
	if err != nil {
		return nil, err
	}
	s.client = client
	s.lists = list.Source{
		Client: client,
		Scan:   s.scripts.scan, Sessions: s.scripts.sessions, Soid: s.scripts.soid, Tokens: s.scripts.tokens,
	}
	for i := range s.readers {
		s.readers[i] = newReaders(s, watch, i != layout.ClassicGroup, o.Cache > 0)
		s.writers[i] = newWriters(s, i != layout.ClassicGroup)
	}
	if o.Cache > 0 {
		s.near = near.New(near.Options{
			For: o.Cache, Sessions: cmp.Or(o.CacheSessions, DefaultCacheSessions), Client: client,
			Channel: layout.Bucket{Wipe: w.Keys.ClassicWipe()}.Cache(), Count: s.sendLate, Logf: w.Logf, Clock: o.nearClock,
		})
	}
	return s, nil
}

// Answers reports whether there is a Redis, also one that refuses to serve.
func Answers(o Options) bool {
	o.ReadOnly, o.Cache = true, 0
	s, err := Open(o)
	if err != nil {
		return false
	}
	defer s.Close()
	return wire.Answered(s.Ping(context.Background()))
}

// Client returns the connection, for what works on the same Redis beside the Store: see
// migrate.
func (s *Store) Client() *wire.Client { return s.client }

// Addr says where Redis is, host:port or more, for logs.
func (s *Store) Addr() string { return s.client.Addr() }

// Close implements store.Store.
func (s *Store) Close() {
	s.near.Close()
	s.client.Close()
	s.registry.Close()
}

// Writable reports whether Redis carries out writes, as far as that is known.
func (s *Store) Writable() bool { return s.client.Writable() }

// Up reports whether Redis can be used, as far as is known. Of a Redis Cluster: all of it.
func (s *Store) Up() bool { return s.client.Up() }

// Reload connects anew, with the user, the password and the hosts as they are now (see
// Options.Reload). What is in flight goes on, and so does the old connection if there
// can be no new one.
func (s *Store) Reload() { s.client.Reload() }

// ClientCertificateEnd returns when the certificate expires that Redis is shown with the
// next connection; the zero Time if there is none.
func (s *Store) ClientCertificateEnd() time.Time { return s.client.ClientCertificateEnd() }

// Ping implements store.Store: Redis answers, and carries out writes. A Redis Cluster of
// which a part can serve is one that can: the requests for the others answer
// ErrUnavailable by themselves.
func (s *Store) Ping(ctx context.Context) error {
	conn, err := s.client.Connected(ctx)
	if err != nil {
		return err
	}
	if !s.readOnly {
		if err := s.client.CheckWrites(ctx); err != nil {
			return err
		}
	}
	if conn.Layout.Sharded() {
		return s.registry.Any(ctx, func(ctx context.Context, key string) error {
			_, err := s.client.Do(ctx, s.keys.GroupOf(key), func(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
				return client.Do(ctx, client.B().Exists().Key(key).Build().ToPipe()).ToMessage()
			})
			return err
		})
	}
	return s.client.Ping(ctx)
}

// probeWrite makes a write and removes it; on a Redis Cluster one in each eighth of the
// slots, and one that succeeds will do, as for Ping.
func (s *Store) probeWrite(ctx context.Context, client *wire.Client) error {
	l, err := client.Layout(ctx)
	if err != nil {
		return err
	}
	if !l.Sharded() {
		_, err := client.Run(ctx, s.scripts.probe, []string{s.keys.Probe()}, nil)
		return err
	}
	return s.registry.Any(ctx, func(ctx context.Context, key string) error {
		_, err := client.Run(ctx, s.scripts.probe, []string{layout.ProbeBeside(key)}, []string{layout.ProbeChannelBeside(key)})
		return err
	})
}

// HasSessions reports whether a namespace holds sessions in this Redis, or held
// some, if it is a Redis Cluster. That an access list may keep us from asking
// about others' is no outage, so it is not noted as one.
func (s *Store) HasSessions(ctx context.Context, namespace string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.client.Current(ctx)
	if err != nil {
		return false, err
	}
	other := layout.Keyspace{NS: namespace + ":"}
	if conn.Layout.Sharded() {
		return registry.HasApps(ctx, conn.Client, other.NS)
	}
	key := other.ClassicWipe()
	n, err := conn.Client.Do(ctx, conn.Client.B().Exists().Key(key).Build().ToPipe()).AsInt64()
	if err != nil {
		return false, wire.Classify(err)
	}
	return n > 0, nil
}

// layout returns the layout that this server has.
func (s *Store) layout(ctx context.Context) (layout.Layout, error) { return s.client.Layout(ctx) }

func (s *Store) count(ctx context.Context, script *wire.Script, keys, args []string) (int64, error) {
	reply, err := s.client.Run(ctx, script, keys, args)
	if err != nil {
		return 0, err
	}
	return numberOf(reply)
}

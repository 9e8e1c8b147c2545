// Package redis keeps sessions in one Redis, in the layout of the npm module
// redis-sessions, so that Node servers can run beside ours on the same data.
//
// Every operation that a client waits for is one EVALSHA; lists and mass
// removals go through pages, one EVALSHA each, so that none holds Redis for
// long. Nothing is sent twice: a read raises a counter, so it is a write.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

// Observer is told of each round trip to Redis. It is called by many goroutines
// at once.
type Observer interface {
	// RoundTrip is told how long one took, be it in vain.
	RoundTrip(took time.Duration)
	// Batch is told how many reads shared a script call.
	Batch(reads int)
}

// unobserved is the Observer of those who give none.
type unobserved struct{}

func (unobserved) RoundTrip(time.Duration) {}
func (unobserved) Batch(int)               {}

// Store is a store.Store on one Redis.
type Store struct {
	connector *connector
	addr      string
	keys      keyspace
	scripts   *scripts
	reader    *reader
	// pipeline takes the calls that are short and that clients wait for.
	pipeline *pipeline
	timeout  time.Duration
	logf     func(format string, args ...any)
	watch    Observer

	// places bounds the round trips in flight, see maxInFlight.
	places chan struct{}
	// down is whether the last round trip found Redis unable to serve.
	down atomic.Bool
}

var _ store.Store = (*Store)(nil)

// maxInFlight bounds the callers that wait for Redis at once. rueidis ignores a
// context while its rings are full (two connections of 1024 commands), and a
// command stays in the ring after its caller's time is up. A silent Redis is
// found out within 1.5 timeouts (see clientOption), so at most three rounds of
// callers can have left theirs there: 1536.
const maxInFlight = 512

// Open makes a store. It does not wait for Redis: while that cannot be reached,
// every method answers store.ErrUnavailable, and they serve soon after it is
// there. An error means that the options are wrong.
func Open(o Options) (*Store, error) { return open(o, serverClock) }

func open(o Options, clock string) (*Store, error) {
	option, err := clientOption(o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		addr:    describe(option),
		keys:    keyspace{ns: o.Namespace + ":"},
		scripts: newScripts(clock),
		timeout: o.Timeout,
		logf:    o.Logf,
		watch:   o.Observer,
		places:  make(chan struct{}, maxInFlight),
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if s.watch == nil {
		s.watch = unobserved{}
	}
	s.reader = newReader(s)
	s.pipeline = newPipeline(s)
	s.connector = &connector{option: option, note: s.note, logf: s.logf}
	s.connector.start()
	return s, nil
}

// describe says where Redis is.
func describe(option rueidis.ClientOption) string {
	where := strings.Join(option.InitAddress, ", ")
	if option.Sentinel.MasterSet != "" {
		return fmt.Sprintf("the master %s of the Sentinels at %s", option.Sentinel.MasterSet, where)
	}
	return where
}

// Addr says where Redis is, host:port or more, for logs.
func (s *Store) Addr() string { return s.addr }

// Close implements store.Store.
func (s *Store) Close() { s.connector.close() }

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.do(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Ping().Build())
	})
	return err
}

// HasSessions reports whether a namespace holds sessions in this Redis. That an
// access list may keep us from asking about others' is no outage, so it is not
// noted as one.
func (s *Store) HasSessions(ctx context.Context, namespace string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.connector.current(ctx)
	if err != nil {
		return false, err
	}
	key := keyspace{ns: namespace + ":"}.wipe()
	n, err := conn.client.Do(ctx, conn.client.B().Exists().Key(key).Build()).AsInt64()
	if err != nil {
		return false, classify(err)
	}
	return n > 0, nil
}

// exec runs a script. Its arguments must not alias memory of the caller: they are
// read until Redis has answered, also after ctx has ended.
func (s *Store) exec(ctx context.Context, script *script, keys, args []string) (rueidis.RedisMessage, error) {
	return s.do(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, client, keys, args)
	})
}

// do bounds one round trip and sorts its errors.
func (s *Store) do(ctx context.Context, call func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.connector.current(ctx)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return rueidis.RedisMessage{}, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	start := time.Now()
	reply, err := call(ctx, conn.client).ToMessage()
	<-s.places
	s.watch.RoundTrip(time.Since(start))
	s.note(err)
	if err != nil {
		s.connector.heed(conn, err)
		err = classify(err)
	}
	return reply, err
}

// note keeps account of whether Redis can serve, and logs each change.
func (s *Store) note(err error) (logged bool) {
	if err != nil && errors.Is(classify(err), store.ErrUnavailable) {
		if !errors.Is(err, context.Canceled) && s.down.CompareAndSwap(false, true) {
			s.logf("redis at %s cannot be used, every request answers 503 until it can: %v", s.addr, err)
			return true
		}
	} else if s.down.Load() && s.down.CompareAndSwap(true, false) {
		s.logf("redis at %s can be used", s.addr)
		return true
	}
	return false
}

// classify wraps an error of rueidis. What Redis says of itself, and whatever
// kept us from hearing it, is store.ErrUnavailable; what is left is what Redis
// says of our command: a fault.
func classify(err error) error {
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	code, _, _ := strings.Cut(said.Error(), " ")
	switch code {
	case "LOADING", "BUSY", "MASTERDOWN", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "TRYAGAIN",
		"CLUSTERDOWN", "MOVED", "ASK", "NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "UNKILLABLE",
		"CROSSSLOT": // from a cluster that stands where one server was, see heed
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if strings.Contains(said.Error(), "max number of clients") {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return fmt.Errorf("redis: %w", err)
}

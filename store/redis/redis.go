// Package redis keeps sessions in one Redis, in the layout of the npm module
// redis-sessions, so that Node servers can run beside ours on the same data.
//
// Every operation that a client waits for is one EVALSHA; lists and mass
// removals go through pages, one EVALSHA each, so that none holds Redis for
// long. Nothing is sent twice: a read raises a counter, so it is a write.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// Observer is told of each round trip to Redis. It is called by many goroutines
// at once.
type Observer interface {
	// RoundTrip is told how long one took, be it in vain.
	RoundTrip(took time.Duration)
	// Batch is told how many reads shared a script call.
	Batch(reads int)
	// Circuit is told when calls begin to fail at once, since Redis does not answer,
	// and when they no longer do.
	Circuit(open bool)
	// Evicts is told whether Redis can evict sessions, each time it was asked.
	Evicts(can bool)
}

// ReloadObserver is an Observer that is told, too, what came of each Reload.
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
	connector *connector
	addr      string
	keys      layout.Keyspace
	scripts   *scripts
	reader    *reader   // of layout.ClassicGroup
	pipeline  *pipeline // of layout.ClassicGroup
	registry  *registry
	zones     [layout.Groups]zone
	// wide bounds the round trips with a call for each of many parts.
	wide    chan struct{}
	timeout time.Duration
	logf    func(format string, args ...any)
	watch   Observer

	circuit   *circuit
	eviction  *eviction
	writes    *writability
	readOnly  bool           // nothing may be written
	asking    sync.WaitGroup // what anyCopy has left behind
	paceClock paceClock
	// mergedInRedis is the constant of that name unless a test sets it.
	mergedInRedis int
	maxData       int
	merges        turns
	// down is whether a round trip found Redis unable to serve, and none since then
	// showed that it is able.
	down atomic.Bool
	// told is whether a mistake was logged since down: it is news even if Redis was down
	// before for another reason, as when it restarts with another password.
	told atomic.Bool
	// failed is when a part of a cluster was last found so, or when one Redis last said
	// so itself, in Unix nanoseconds.
	failed atomic.Int64
}

var _ store.Store = (*Store)(nil)

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
		readOnly:  o.ReadOnly,
		addr:      describe(option),
		keys:      layout.Keyspace{NS: o.Namespace + ":"},
		scripts:   newScripts(clock),
		timeout:   o.Timeout,
		logf:      o.Logf,
		watch:     o.Observer,
		wide:      make(chan struct{}, maxWide),
		paceClock: paceClock{time.Now, time.After},

		mergedInRedis: mergedInRedis,
		maxData:       cmp.Or(o.MaxData, store.DefaultMaxData),
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if s.watch == nil {
		s.watch = unobserved{}
	}
	s.circuit = newCircuit(s, s.ping)
	s.eviction = &eviction{logf: s.logf, watch: s.watch}
	for i := range s.zones {
		s.zones[i] = newZone(s, i)
	}
	s.reader, s.pipeline = s.zones[layout.ClassicGroup].reader, s.zones[layout.ClassicGroup].pipeline
	s.registry = newRegistry(s.keys.NS, o.Buckets, o.ReadOnly, s.logf)
	s.writes = newWritability(s.probeWrite)
	s.connector = &connector{
		option: newOptions(o, option, s.logf), note: s.note, logf: s.logf, keys: s.keys, cluster: s.registry.layout,
		anyRole: o.ReadOnly, patience: s.timeout,
	}
	if o, ok := s.watch.(ReloadObserver); ok {
		s.connector.reloaded = o.Reloaded
	}
	s.connector.reached = func(ctx context.Context, client rueidis.Client) {
		s.eviction.ask(ctx, client, s.timeout)
		if !o.ReadOnly {
			s.writes.try(ctx)
		}
	}
	s.connector.start()
	return s, nil
}

// Answers reports whether there is a Redis, also one that refuses to serve.
func Answers(o Options) bool {
	o.ReadOnly = true
	s, err := Open(o)
	if err != nil {
		return false
	}
	defer s.Close()
	err = s.Ping(context.Background())
	_, refused := errors.AsType[*rueidis.RedisError](err)
	_, wrong := errors.AsType[mistake](err)
	return err == nil || refused || wrong
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
func (s *Store) Close() {
	s.circuit.close()
	s.writes.close()
	s.connector.close()
	s.asking.Wait()
}

// Writable reports whether Redis carries out writes, as far as that is known.
func (s *Store) Writable() bool { return s.writes.known() }

// Up reports whether Redis can be used, as far as is known. Of a Redis Cluster: all of it.
func (s *Store) Up() bool { return !s.down.Load() }

// Reload connects anew, with the user, the password and the hosts as they are now (see
// Options.Reload). What is in flight goes on, and so does the old connection if there
// can be no new one.
func (s *Store) Reload() { s.connector.renew() }

// Ping implements store.Store: Redis answers, and carries out writes. A Redis Cluster of
// which a part can serve is one that can: the requests for the others answer
// ErrUnavailable by themselves.
func (s *Store) Ping(ctx context.Context) error {
	conn, err := s.connected(ctx)
	if err != nil {
		return err
	}
	if !s.readOnly {
		if err := s.writes.check(ctx); err != nil {
			return err
		}
	}
	if conn.layout.Sharded() {
		return s.pingCluster(ctx)
	}
	_, err = s.do(ctx, layout.ClassicGroup, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Ping().Build())
	})
	return err
}

// ping is a probe of the circuit. Of a Redis Cluster it is content with all: one node
// that does not answer says nothing of the others.
func (s *Store) ping(ctx context.Context) error {
	conn, err := s.connector.current(ctx)
	if err != nil || conn.layout.Sharded() {
		return err // noted by the connector
	}
	err = conn.client.Do(ctx, conn.client.B().Ping().Build()).Error()
	// One in vain is no outage: see circuit.
	if _, said := rueidis.IsRedisErr(err); err == nil || said {
		s.note(err)
	}
	return err
}

// HasSessions reports whether a namespace holds sessions in this Redis, or held
// some, if it is a Redis Cluster. That an access list may keep us from asking
// about others' is no outage, so it is not noted as one.
func (s *Store) HasSessions(ctx context.Context, namespace string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.connector.current(ctx)
	if err != nil {
		return false, err
	}
	other := layout.Keyspace{NS: namespace + ":"}
	if conn.layout.Sharded() {
		return hasApps(ctx, conn.client, other.NS)
	}
	key := other.ClassicWipe()
	n, err := conn.client.Do(ctx, conn.client.B().Exists().Key(key).Build()).AsInt64()
	if err != nil {
		return false, classify(err)
	}
	return n > 0, nil
}

// connected returns the connection, and waits for the first attempt to make it.
func (s *Store) connected(ctx context.Context) (*connection, error) {
	if conn := s.connector.made.Load(); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.connector.current(ctx)
}

// layout returns the layout that this server has.
func (s *Store) layout(ctx context.Context) (layout.Layout, error) {
	conn, err := s.connected(ctx)
	if err != nil {
		return layout.Layout{}, err
	}
	return conn.layout, nil
}

// exec runs a script on the node of its first key. Its arguments must not alias
// memory of the caller: they are read until Redis has answered, also after ctx has
// ended.
func (s *Store) exec(ctx context.Context, script *script, keys, args []string) (rueidis.RedisMessage, error) {
	keys = s.keys.Guard(keys)
	return s.do(ctx, s.keys.GroupOf(keys[0]), func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, client, keys, args)
	})
}

// do bounds one round trip and sorts its errors. What Redis refused because a
// slot is moving is sent again, since it was not executed.
func (s *Store) do(ctx context.Context, zone int, call func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	if err := s.circuit.refused(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.connector.current(ctx)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	if conn.layout.Sharded() != (zone != layout.ClassicGroup) {
		return rueidis.RedisMessage{}, errOtherLayout
	}
	for pause := shortestWait; ; pause = min(2*pause, longestWait) {
		select {
		case s.zones[zone].places <- struct{}{}:
		case <-ctx.Done():
			return rueidis.RedisMessage{}, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
		start := time.Now()
		reply, err := call(ctx, conn.client).ToMessage()
		<-s.zones[zone].places
		s.watch.RoundTrip(time.Since(start))
		if slotIsMoving(err) && wait(ctx, pause) {
			continue
		}
		s.note(err)
		if err != nil {
			s.connector.heed(conn, err)
			err = classify(err)
		}
		return reply, err
	}
}

// How long Redis must have served without fail to be called usable again: a cluster,
// since while a node is gone the others still serve; and one that said itself that it
// cannot serve, since out of memory, or a replica, it refuses some commands and takes
// others.
const (
	quietBeforeUp      = 3 * time.Second // a cluster
	quietAfterARefusal = time.Second
)

// note keeps account of whether Redis answers and can serve, and logs each change.
func (s *Store) note(err error) (logged bool) {
	_, said := rueidis.IsRedisErr(err)
	if err == nil || said {
		s.circuit.heard()
	}
	if err != nil && errors.Is(classify(err), store.ErrUnavailable) {
		if errors.Is(err, context.Canceled) {
			return false
		}
		if !s.readOnly {
			s.writes.suspect()
		}
		if said || s.onCluster() {
			s.failed.Store(time.Now().UnixNano())
		}
		if !said {
			s.circuit.suspect()
		}
		err = explainReply(err, s.connector.option.lastUsed())
		_, wrong := errors.AsType[mistake](err)
		news := wrong && !s.told.Swap(true)
		if !s.down.CompareAndSwap(false, true) && !news {
			return false
		}
		if s.onCluster() {
			s.logf("warning: a part of the Redis Cluster at %s cannot be used, requests for it answer 503 until it can: %v", s.addr, err)
		} else {
			s.logf("warning: redis at %s cannot be used, every request answers 503 until it can: %v", s.addr, err)
		}
		return true
	}
	return s.noteUp()
}

// noteUp logs that Redis can be used again, if it was known not to.
func (s *Store) noteUp() (logged bool) {
	if !s.down.Load() {
		return false
	}
	quiet := quietAfterARefusal
	if s.onCluster() {
		quiet = quietBeforeUp
	}
	if time.Since(time.Unix(0, s.failed.Load())) < quiet || !s.down.CompareAndSwap(true, false) {
		return false
	}
	s.told.Store(false)
	s.logf("redis at %s can be used", s.addr)
	return true
}

// refuses reports whether err is of a Redis that answers, but not with what was asked.
func refuses(err error) bool {
	_, said := rueidis.IsRedisErr(err)
	return said
}

// classify wraps an error of rueidis. What Redis says of itself, and whatever
// kept us from hearing it, is store.ErrUnavailable; what is left is what Redis
// says of our command: a fault.
func classify(err error) error {
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		// Not wrapped: that of a connection that breaks is io.EOF, the end of a list.
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	switch codeOf(said) {
	case "LOADING", "BUSY", "MASTERDOWN", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "TRYAGAIN",
		"CLUSTERDOWN", "MOVED", "ASK", "NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "UNKILLABLE",
		"CROSSSLOT": // from a cluster that stands where one server was, see heed
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if strings.Contains(said.Error(), "max number of clients") {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if text, arguments, quoted := strings.Cut(said.Error(), ", with args beginning with:"); quoted && arguments != "" {
		return fmt.Errorf("redis: %s", text) // the arguments are tokens and ids
	}
	return fmt.Errorf("redis: %w", err)
}

// codeOf returns the word that an error of Redis begins with. What an access list forbids
// within a script is an ERR, in other words from version to version; here it is a NOPERM.
func codeOf(said *rueidis.RedisError) string {
	text := said.Error()
	if forbidden(text) {
		return "NOPERM"
	}
	code, _, _ := strings.Cut(text, " ")
	return code
}

// forbidden reports whether text says that an access list forbade what a script did.
func forbidden(text string) bool {
	return strings.Contains(text, "The user executing the script can't") || strings.Contains(text, "ACL failure in script")
}

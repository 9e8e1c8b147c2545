// Package wire is how Redis is reached: one client for one Redis, a Redis Cluster or
// Sentinels, that connects by itself, runs scripts alone, batched or many at once, and
// knows whether Redis serves. It knows no session.
package wire

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// Observer is told of each round trip to Redis. It is called by many goroutines
// at once.
type Observer interface {
	// RoundTrip is told how long one took, also one that failed.
	RoundTrip(took time.Duration)
	// Circuit is told when calls begin to fail at once, since Redis does not answer,
	// and when they no longer do.
	Circuit(open bool)
}

// Client makes calls of Redis.
type Client struct {
	// Clock is the time that a Throttle goes by, and Observer is told of round trips.
	// Tests replace both.
	Clock    Clock
	Observer Observer

	connector *connector
	addr      string
	keys      layout.Keyspace
	timeout   time.Duration
	logf      func(format string, args ...any)
	readOnly  bool // nothing may be written
	groups    [layout.Groups]group
	// many bounds the calls of RunEach in flight.
	many semaphore

	health *health
}

// New makes a client and begins to connect. It does not wait for Redis. An error means
// that the options are wrong.
func New(o Options, hooks Hooks) (*Client, error) {
	option, err := clientOption(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		Clock:    Clock{time.Now, time.After},
		Observer: o.Observer,
		addr:     describe(option),
		keys:     o.Keys,
		timeout:  o.Timeout,
		logf:     o.Logf,
		readOnly: o.ReadOnly,
		many:     newSemaphore(maxMany),
	}
	c.health = newHealth(&health{
		ping: c.probe, pingTimeout: min(longestPing, c.timeout/4),
		onCluster: c.OnCluster, circuit: c.Observer.Circuit, addr: c.addr, logf: c.logf,
		explain: func(err error) error { return explainReply(err, c.connector.option.lastUsed()) },
	})
	if !c.readOnly {
		c.health.write = func(ctx context.Context) error { return hooks.ProbeWrite(ctx, c) }
	}
	for i := range c.groups {
		c.groups[i] = newGroup(c, i)
	}
	c.connector = &connector{
		option: newOptions(o, option), record: c.health.record, logf: c.logf, keys: c.keys, cluster: hooks.Cluster,
		anyRole: c.readOnly, timeout: c.timeout, reloaded: hooks.Reloaded,
		reached: func(ctx context.Context, client rueidis.Client) {
			hooks.Reached(ctx, client)
			if !c.readOnly {
				c.health.writeOnce(ctx)
			}
		},
	}
	c.connector.start()
	return c, nil
}

// Hooks are what a Client asks of its user.
type Hooks struct {
	// Cluster finds the layout of what is a Redis Cluster.
	Cluster func(context.Context, rueidis.Client) (layout.Layout, error)
	// ProbeWrite makes a write and undoes it.
	ProbeWrite func(context.Context, *Client) error
	// Reached is called with each client that has reached Redis.
	Reached func(context.Context, rueidis.Client)
	// Reloaded is told the outcome of each Reload; nil for nobody.
	Reloaded func(ok bool)
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
func (c *Client) Addr() string { return c.addr }

// Timeout is the longest that a call takes.
func (c *Client) Timeout() time.Duration { return c.timeout }

// Close ends the probes and the connections.
func (c *Client) Close() {
	c.health.close()
	c.connector.close()
}

// Reload connects anew, with the options as they are now. What is in flight goes on,
// and so does the old connection if there can be no new one.
func (c *Client) Reload() { c.connector.renew() }

// Made returns the connection, nil while there is none.
func (c *Client) Made() *Conn { return c.connector.made.Load() }

// Current returns the connection. Before there is one it waits for the first attempt
// to make it. The error is a store.ErrUnavailable.
func (c *Client) Current(ctx context.Context) (*Conn, error) { return c.connector.current(ctx) }

// Connected is Current that waits for the timeout at most.
func (c *Client) Connected(ctx context.Context) (*Conn, error) {
	if conn := c.Made(); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Current(ctx)
}

// Layout returns the layout that this server has.
func (c *Client) Layout(ctx context.Context) (layout.Layout, error) {
	conn, err := c.Connected(ctx)
	if err != nil {
		return layout.Layout{}, err
	}
	return conn.Layout, nil
}

// OnCluster reports whether what we are connected to is a Redis Cluster.
func (c *Client) OnCluster() bool {
	conn := c.Made()
	return conn != nil && conn.Layout.Sharded()
}

// Run runs a script on the node of its first key. Its arguments must not alias memory
// of the caller: they are read until Redis has answered, also after ctx has ended.
func (c *Client) Run(ctx context.Context, script *Script, keys, args []string) (rueidis.RedisMessage, error) {
	command := Command{script, c.keys.Guard(keys), args}
	return c.Do(ctx, c.keys.GroupOf(keys[0]), command.Do)
}

// RunBatched is Run for a script that is short and that a client waits for: calls of
// many callers share a write to the connection.
func (c *Client) RunBatched(ctx context.Context, script *Script, keys, args []string) (rueidis.RedisMessage, error) {
	return c.groups[c.keys.GroupOf(keys[0])].pipeline.run(ctx, Command{script, c.keys.Guard(keys), args})
}

// Do bounds one round trip to a group of slots and classifies its errors. What Redis
// refused because a slot is moving is sent again, since it was not executed.
func (c *Client) Do(ctx context.Context, group int, call func(context.Context, rueidis.Client) (rueidis.RedisMessage, error)) (rueidis.RedisMessage, error) {
	if err := c.health.refused(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.Current(ctx)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	if conn.Layout.Sharded() != (group != layout.ClassicGroup) {
		return rueidis.RedisMessage{}, ErrOtherLayout
	}
	inFlight := c.groups[group].inFlight
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		if err := inFlight.acquire(ctx); err != nil {
			return rueidis.RedisMessage{}, err
		}
		start := time.Now()
		reply, err := call(ctx, conn.Client)
		inFlight.release()
		c.Observer.RoundTrip(time.Since(start))
		if SlotIsMoving(err) && wait(ctx, pause) {
			continue
		}
		return reply, c.Outcome(conn, err)
	}
}

// Outcome takes note of what came of a call on conn, and returns its error classified.
func (c *Client) Outcome(conn *Conn, err error) error {
	c.health.record(err)
	if err == nil {
		return nil
	}
	c.connector.onRefusal(conn, err)
	return Classify(err)
}

// Up reports whether Redis can be used, as far as is known. Of a Redis Cluster: all of it.
func (c *Client) Up() bool { return c.health.up() }

// Writable reports whether a write has succeeded and none has failed since.
func (c *Client) Writable() bool { return c.health.writable() }

// CheckWrites returns nil if Redis carries out writes: see health.checkWrites.
func (c *Client) CheckWrites(ctx context.Context) error { return c.health.checkWrites(ctx) }

// Wrote notes that a write succeeded at about that time.
func (c *Client) Wrote(at time.Time) { c.health.wrote(at) }

// Refused returns what calls get while Redis does not answer, nil if it does.
func (c *Client) Refused() error { return c.health.refused() }

// Probing reports whether a probe runs.
func (c *Client) Probing() bool { return c.health.pinging.Load() || c.health.writing.Load() }

// Probe sends one PING. Its error is nil if there was an answer of any kind.
func (c *Client) Probe(ctx context.Context) error { return c.health.pingOnce(ctx) }

// Ping sends a PING. Of a Redis Cluster it says nothing: see Do.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Do(ctx, layout.ClassicGroup, ping)
	return err
}

func ping(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
	return client.Do(ctx, client.B().Ping().Build().ToPipe()).ToMessage()
}

// probe is health's PING. Of a Redis Cluster it is content with all: one node that does
// not answer says nothing of the others.
func (c *Client) probe(ctx context.Context) error {
	conn, err := c.Current(ctx)
	if err != nil || conn.Layout.Sharded() {
		return err // recorded by the connector
	}
	if _, err = ping(ctx, conn.Client); err == nil {
		c.health.answered()
	}
	return err
}

// semaphore bounds what is in flight.
type semaphore chan struct{}

func newSemaphore(n int) semaphore { return make(semaphore, n) }

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}

func (s semaphore) release() { <-s }

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

const (
	// The pause between attempts to connect doubles from firstPause to longestPause:
	// the latter bounds how long a Redis that has come up goes unnoticed, and how
	// much of a Sentinel's time many servers take that wait for it.
	firstPause   = 50 * time.Millisecond
	longestPause = 400 * time.Millisecond
)

// connection is a client that has once reached Redis; it redials by itself.
type connection struct {
	client rueidis.Client
	layout layout
}

// connector makes the connection in the background, however long Redis takes to
// be there. What kind of server it is only the server can say.
type connector struct {
	option rueidis.ClientOption
	note   func(error) (logged bool) // told the outcome of each attempt
	logf   func(format string, args ...any)
	keys   keyspace
	// cluster finds the layout of what is a Redis Cluster.
	cluster func(context.Context, rueidis.Client) (layout, error)
	// reached is called with each client that has reached Redis.
	reached func(context.Context, rueidis.Client)

	made    atomic.Pointer[connection]
	tried   chan struct{}         // closed after the first attempt
	failure atomic.Pointer[error] // why there is no connection, once tried
	lost    chan *connection      // gets one that is no longer made

	stop  context.CancelFunc
	ended chan struct{}
}

// start begins to connect. The fields above are set.
func (c *connector) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.tried, c.lost, c.stop, c.ended = make(chan struct{}), make(chan *connection, 1), stop, make(chan struct{})
	go c.run(ctx)
}

// current returns the connection. Before there is one it waits for the first
// attempt, at most until ctx ends; after that it answers at once. The error is a
// store.ErrUnavailable.
func (c *connector) current(ctx context.Context) (*connection, error) {
	if conn := c.made.Load(); conn != nil {
		return conn, nil
	}
	select {
	case <-c.tried:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	if conn := c.made.Load(); conn != nil {
		return conn, nil
	}
	return nil, *c.failure.Load()
}

// unreachable makes a store.ErrUnavailable of whatever kept us from connecting,
// also of what would be a fault of ours if Redis said it of a command.
type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{store.ErrUnavailable, u.error} }

// heed looks at what Redis said on conn: a single server that speaks as a node of
// a cluster has been replaced by one, so it is asked anew what it is.
func (c *connector) heed(conn *connection, err error) {
	said, ok := rueidis.IsRedisErr(err)
	if !ok || conn.layout.sharded() {
		return
	}
	switch code, _, _ := strings.Cut(said.Error(), " "); code {
	case "MOVED", "CLUSTERDOWN", "CROSSSLOT":
		err = unreachable{err}
		c.failure.Store(&err)
		if c.made.CompareAndSwap(conn, nil) {
			c.lost <- conn
		}
	}
}

// close ends the attempts and the connection.
func (c *connector) close() {
	c.stop()
	<-c.ended
	if conn := c.made.Load(); conn != nil {
		conn.client.Close()
	}
}

// run connects, and again when the connection is lost, until ctx ends.
func (c *connector) run(ctx context.Context) {
	defer close(c.ended)
	for c.runUntilMade(ctx) {
		select {
		case conn := <-c.lost:
			conn.client.Close()
		case <-ctx.Done():
			return
		}
	}
}

// runUntilMade reports whether it is connected, or else ctx has ended.
func (c *connector) runUntilMade(ctx context.Context) bool {
	var last mistake
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		conn, err := c.connect(ctx)
		if err == nil {
			c.made.Store(conn)
		} else {
			err = unreachable{explain(err, c.option)}
			c.failure.Store(&err)
		}
		logged := c.note(err)
		// A mistake is told even if Redis was known to be unusable for another
		// reason.
		if m, ok := errors.AsType[mistake](err); ok && m != last {
			if last = m; !logged {
				c.logf("warning: redis: %v", err)
			}
		}
		select {
		case <-c.tried:
		default:
			close(c.tried)
		}
		if err == nil {
			c.reached(ctx, conn.client)
			return true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// mistake is what is wrong with how the server was set up, or with what it was
// told of Redis: no time mends it.
type mistake string

func (m mistake) Error() string { return string(m) }

// connect makes one attempt.
func (c *connector) connect(ctx context.Context) (*connection, error) {
	if c.option.Sentinel.MasterSet != "" {
		client, err := newClient(c.option)
		if err != nil {
			return nil, err
		}
		return &connection{client: client, layout: layout{keyspace: c.keys}}, nil
	}
	var all error
	for _, addr := range c.option.InitAddress {
		conn, err := c.connectTo(ctx, addr)
		if _, told := errors.AsType[mistake](err); err == nil || told {
			return conn, err
		}
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return nil, all
}

// connectTo connects to what the server at addr says it is.
func (c *connector) connectTo(ctx context.Context, addr string) (*connection, error) {
	option := c.option
	option.InitAddress = []string{addr}
	option.ForceSingleClient = true
	client, err := newClient(option)
	if err != nil {
		if option.SelectDB != 0 && strings.Contains(err.Error(), "cluster mode") {
			err = mistake("it is a Redis Cluster, which has no database but 0")
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.option.ConnWriteTimeout)
	defer cancel()
	mode, err := modeOf(ctx, client)
	switch {
	case err != nil:
	case mode == "cluster":
		client.Close()
		return c.connectCluster(ctx)
	case mode == "sentinel":
		err = mistake("it is a Sentinel: the URL must name the master that it watches, as in redis://host:26379/0?master_set=mymaster")
	case len(c.option.InitAddress) > 1:
		err = mistake(addr + " is no Redis Cluster, so there can be no list of hosts; Sentinels need master_set in the URL")
	default:
		return &connection{client: client, layout: layout{keyspace: c.keys}}, nil
	}
	client.Close()
	return nil, err
}

// newClient is rueidis.NewClient without its client that comes with an error.
func newClient(option rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(option)
	if err != nil && client != nil {
		client.Close()
	}
	return client, err
}

// modeOf asks a server what it is: standalone, cluster or sentinel. HELLO is
// asked since any user may send it, whatever the access list says.
func modeOf(ctx context.Context, client rueidis.Client) (string, error) {
	hello, err := client.Do(ctx, client.B().Arbitrary("HELLO").Build()).AsMap()
	if err == nil {
		mode := hello["mode"]
		if text, err := mode.ToString(); err == nil {
			return text, nil
		}
	} else if _, said := rueidis.IsRedisErr(err); !said {
		return "", err
	}
	// A proxy or an older server that does not know HELLO.
	info, err := client.Do(ctx, client.B().Info().Section("cluster").Build()).ToString()
	if err == nil && strings.Contains(info, "cluster_enabled:1") {
		return "cluster", nil
	}
	if _, said := rueidis.IsRedisErr(err); err != nil && !said {
		return "", err
	}
	return "standalone", nil
}

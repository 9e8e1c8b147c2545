package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

// Options says which Redis, and how to use it.
type Options struct {
	// URL is redis://user:password@host:port/db or rediss:// for TLS. When it is
	// empty, Host and Port say where.
	URL  string
	Host string
	Port int
	// Namespace is what all keys begin with, without the colon.
	Namespace string
	// Timeout bounds each round trip, waiting for a free place included.
	Timeout time.Duration
	// Logf gets a line when Redis becomes unreachable and when it is back.
	Logf func(format string, args ...any)
	// Observer may be nil.
	Observer Observer
}

const (
	// dialTimeout bounds connecting. While one caller dials, the others wait for it
	// whatever their contexts say, so it is short.
	dialTimeout = 500 * time.Millisecond
	// retryEvery is the pause between attempts to connect for the first time, so
	// it bounds how long a Redis that has come up goes unnoticed.
	retryEvery = 100 * time.Millisecond
)

func clientOption(o Options) (rueidis.ClientOption, error) {
	option := rueidis.ClientOption{}
	if o.URL != "" {
		if strings.Contains(o.URL, ",") {
			return option, errors.New("redis: a list of servers is not supported, give one URL")
		}
		var err error
		if option, err = rueidis.ParseURL(o.URL); err != nil {
			// The error may quote the URL, and the URL may hold a password.
			return option, errors.New("redis: not a URL of the form redis://user:password@host:port/db")
		}
	} else {
		option.InitAddress = []string{net.JoinHostPort(o.Host, strconv.Itoa(o.Port))}
	}
	if len(option.InitAddress) != 1 || option.Sentinel.MasterSet != "" {
		return option, errors.New("redis: only a single server is supported")
	}
	option.ForceSingleClient = true
	// Without it a caller whose context ends fails the calls of others.
	option.AlwaysPipelining = true
	option.DisableCache = true
	// A resent EVALSHA would count a read or a write twice.
	option.DisableRetry = true
	option.ConnLifetime = 0
	option.Dialer.Timeout = min(dialTimeout, o.Timeout)
	// A connection is given up when a ping, sent after KeepAlive of silence, has
	// no answer within ConnWriteTimeout.
	option.Dialer.KeepAlive = max(o.Timeout/2, 50*time.Millisecond)
	option.ConnWriteTimeout = max(o.Timeout, 100*time.Millisecond)
	option.ClientName = "rest-sessions"
	return option, nil
}

// connection is a client that has once reached Redis; it redials by itself.
type connection struct {
	client rueidis.Client
	// sharded means a Redis Cluster, whose keys are laid out by bucket.
	sharded bool
}

// connector makes the connection in the background, however long Redis takes to
// be there. What kind of server it is only the server can say.
type connector struct {
	option rueidis.ClientOption
	note   func(error) // told the outcome of each attempt

	made    atomic.Pointer[connection]
	tried   chan struct{} // closed after the first attempt
	failure atomic.Pointer[error]

	stop  context.CancelFunc
	ended sync.WaitGroup
}

func newConnector(option rueidis.ClientOption, note func(error)) *connector {
	ctx, stop := context.WithCancel(context.Background())
	c := &connector{option: option, note: note, tried: make(chan struct{}), stop: stop}
	c.ended.Go(func() { c.run(ctx) })
	return c
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
	return nil, classify(*c.failure.Load())
}

// close ends the attempts and the connection.
func (c *connector) close() {
	c.stop()
	c.ended.Wait()
	if conn := c.made.Load(); conn != nil {
		conn.client.Close()
	}
}

// run tries until it is connected or ctx ends.
func (c *connector) run(ctx context.Context) {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for first := true; ; first = false {
		conn, err := c.connect(ctx)
		if err == nil {
			c.made.Store(conn)
		} else {
			c.failure.Store(&err)
		}
		c.note(err)
		if first {
			close(c.tried)
		}
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// connect makes one attempt.
func (c *connector) connect(ctx context.Context) (*connection, error) {
	single, err := rueidis.NewClient(c.option)
	if err != nil {
		if single != nil {
			single.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.option.ConnWriteTimeout)
	defer cancel()
	mode, err := modeOf(ctx, single)
	switch {
	case err != nil:
	case mode == "cluster":
		// Until there is a layout for it; then: a client without
		// ForceSingleClient, sharded.
		err = errors.New("it is a Redis Cluster, which is not supported yet")
	case mode == "sentinel":
		err = errors.New("it is a Sentinel, which holds no sessions")
	default:
		return &connection{client: single}, nil
	}
	single.Close()
	return nil, err
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

package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

const (
	// The pause between attempts to connect doubles from firstDialPause to longestDialPause:
	// the latter bounds how long a Redis that has come up goes unnoticed, and how
	// much of a Sentinel's time many servers take that wait for it.
	firstDialPause   = 50 * time.Millisecond
	longestDialPause = 400 * time.Millisecond
	// longestRenewal is the longest pause between connections that are made since Redis
	// refuses what it is asked; it is back to firstDialPause when none was for steady.
	longestRenewal = 500 * time.Millisecond
	steady         = 10 * time.Second
)

// Conn is a client of rueidis that has once reached Redis; it redials by itself.
type Conn struct {
	Client rueidis.Client
	Layout layout.Layout
}

// connector makes the connection in the background, however long Redis takes to
// be there. What kind of server it is only the server can say.
type connector struct {
	option *currentOptions
	record func(error) (logged bool) // told the outcome of each attempt
	logf   func(format string, args ...any)
	keys   layout.Keyspace
	// anyRole says that a replica will do.
	anyRole bool
	// timeout is the longest that a call takes: what is replaced is closed after it.
	timeout time.Duration
	// cluster finds the layout of what is a Redis Cluster.
	cluster func(context.Context, rueidis.Client) (layout.Layout, error)
	// reached is called with each client that has reached Redis.
	reached func(context.Context, rueidis.Client)
	// reloaded is told what came of each renew; nil for nobody.
	reloaded func(ok bool)

	mu      sync.Mutex // held to take made away
	made    atomic.Pointer[Conn]
	tried   chan struct{}         // closed after the first attempt
	failure atomic.Pointer[error] // why there is no connection, once tried
	lost    chan *Conn            // gets one that is no longer made
	stale   chan struct{}         // gets an element when made should be replaced
	renewed chan struct{}         // the same, at once, on the user's wish

	stop    context.CancelFunc
	ended   chan struct{}
	closing sync.WaitGroup // of connections that were replaced
}

// start begins to connect. The fields above are set.
func (c *connector) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.tried, c.lost, c.stop, c.ended = make(chan struct{}), make(chan *Conn, 1), stop, make(chan struct{})
	c.stale, c.renewed = make(chan struct{}, 1), make(chan struct{}, 1)
	go c.run(ctx)
}

// current returns the connection. Before there is one it waits for the first
// attempt, at most until ctx ends; after that it answers at once. The error is a
// store.ErrUnavailable.
func (c *connector) current(ctx context.Context) (*Conn, error) {
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
	if err := c.failure.Load(); err != nil {
		return nil, *err
	}
	return nil, errClosed
}

// onRefusal looks at an error reply on conn. A single server that speaks as a node of a
// cluster has been replaced by one, so it is asked anew what it is. Other refusals may
// be due to where the connection leads or whom it is for, behind an address that
// has moved or after a password has changed: then another is made beside it.
func (c *connector) onRefusal(conn *Conn, err error) {
	said, ok := rueidis.IsRedisErr(err)
	if !ok || c.made.Load() != conn {
		return
	}
	switch codeOf(said) {
	case "MOVED", "CLUSTERDOWN", "CROSSSLOT":
		if conn.Layout.Sharded() {
			return
		}
		err = unreachable{err}
		c.failure.Store(&err)
		c.mu.Lock()
		if c.made.CompareAndSwap(conn, nil) {
			c.lost <- conn
		}
		c.mu.Unlock()
	case "READONLY", "MASTERDOWN", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING":
		poke(c.stale)
	}
}

// renew makes a new connection in place of the present one.
func (c *connector) renew() { poke(c.renewed) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// close ends the attempts and the connections.
func (c *connector) close() {
	c.stop()
	<-c.ended
	c.mu.Lock()
	if conn := c.made.Swap(nil); conn != nil {
		conn.Client.Close()
	}
	select {
	case conn := <-c.lost: // onRefusal took it away
		conn.Client.Close()
	default:
	}
	c.mu.Unlock()
	c.closing.Wait()
}

// run connects, and again when the connection is lost, until ctx ends.
func (c *connector) run(ctx context.Context) {
	defer close(c.ended)
	for c.runUntilMade(ctx) && c.runUntilLost(ctx) {
	}
}

// runUntilLost replaces the connection as often as onRefusal or renew ask for it. It returns
// true when the connection is lost, and false when ctx has ended.
func (c *connector) runUntilLost(ctx context.Context) bool {
	pause, last := firstDialPause, time.Time{}
	for {
		asked := false
		select {
		case conn := <-c.lost:
			conn.Client.Close()
			return true
		case <-c.renewed:
			asked = true
		case <-c.stale:
			if pause = min(2*pause, longestRenewal); time.Since(last) > steady {
				pause = firstDialPause
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return false
			}
			last = time.Now()
		case <-ctx.Done():
			return false
		}
		err := c.replace(ctx)
		if asked && c.reloaded != nil {
			c.reloaded(err == nil)
		}
		switch {
		case !asked:
		case err != nil:
			c.logf("warning: reload: redis: the connections have not changed: %v", err)
		default:
			c.logf("reload: redis: connected anew")
		}
	}
}

// replace makes a connection in place of made. The old one stays in use if that fails; else
// it is closed after the timeout of the calls that it carries.
func (c *connector) replace(ctx context.Context) error {
	old := c.made.Load()
	conn, err := c.connect(ctx)
	if err != nil || old == nil {
		return err
	}
	if !c.made.CompareAndSwap(old, conn) { // onRefusal took it away; runUntilMade makes one
		conn.Client.Close()
		return nil
	}
	select {
	case <-c.stale: // that was about old
	default:
	}
	c.closing.Go(func() {
		select {
		case <-time.After(c.timeout):
		case <-ctx.Done():
		}
		old.Client.Close()
	})
	c.reached(ctx, conn.Client)
	return nil
}

// runUntilMade reports whether it is connected, or else ctx has ended.
func (c *connector) runUntilMade(ctx context.Context) bool {
	var last Mistake
	for pause := firstDialPause; ; pause = min(2*pause, longestDialPause) {
		conn, err := c.connect(ctx)
		if err == nil {
			c.made.Store(conn)
		} else {
			err = unreachable{explain(err, c.option.lastUsed())}
			c.failure.Store(&err)
		}
		logged := c.record(err)
		// A mistake is logged even if Redis was unusable for another reason before.
		if m, ok := errors.AsType[Mistake](err); ok && m != last {
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
			c.reached(ctx, conn.Client)
			return true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

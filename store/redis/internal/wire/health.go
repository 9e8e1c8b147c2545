package wire

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// How long Redis must have served without fail to be called usable again: a cluster,
// since while a node is gone the others still serve; and one that said itself that it
// cannot serve, since out of memory, or a replica, it refuses some commands and takes
// others.
const (
	quietBeforeUp      = 3 * time.Second // a cluster
	quietAfterARefusal = time.Second
)

// Up reports whether Redis can be used, as far as is known. Of a Redis Cluster: all of it.
func (c *Client) Up() bool { return !c.down.Load() }

// Writable reports whether a write has succeeded and none has failed since.
func (c *Client) Writable() bool { return c.writes.known() }

// CheckWrites returns nil if Redis carries out writes: see writability.check.
func (c *Client) CheckWrites(ctx context.Context) error { return c.writes.check(ctx) }

// Wrote notes that a write succeeded at about that time.
func (c *Client) Wrote(at time.Time) { c.writes.wrote(at) }

// Refused returns what calls get while Redis does not answer, nil if it does.
func (c *Client) Refused() error { return c.breaker.refused() }

// Probing reports whether a probe runs.
func (c *Client) Probing() bool { return c.breaker.busy.Load() || c.writes.busy.Load() }

// Probe sends one PING. Its error is nil if there was an answer of any kind.
func (c *Client) Probe(ctx context.Context) error { return c.breaker.probeOnce(ctx) }

// Ping sends a PING. Of a Redis Cluster it says nothing: see Do.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Do(ctx, layout.ClassicGroup, ping)
	return err
}

func ping(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
	return client.Do(ctx, client.B().Ping().Build()).ToMessage()
}

// ping is a probe of the breaker. Of a Redis Cluster it is content with all: one node
// that does not answer says nothing of the others.
func (c *Client) ping(ctx context.Context) error {
	conn, err := c.Current(ctx)
	if err != nil || conn.Layout.Sharded() {
		return err // recorded by the connector
	}
	_, err = ping(ctx, conn.Client)
	// One in vain is no outage: see breaker.
	switch {
	case err == nil:
		c.breaker.success()
		c.recordAnswer()
	case refuses(err):
		c.record(err)
	}
	return err
}

// Outcome records what came of a call on conn, and returns its error classified.
func (c *Client) Outcome(conn *Conn, err error) error {
	c.record(err)
	if err == nil {
		return nil
	}
	c.connector.onRefusal(conn, err)
	return Classify(err)
}

// record keeps account of whether Redis answers and can serve, and logs each change.
func (c *Client) record(err error) (logged bool) {
	said := refuses(err)
	if err == nil || said {
		c.breaker.success()
	}
	if err == nil || !errors.Is(Classify(err), store.ErrUnavailable) {
		return c.recordUp()
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	if !c.readOnly {
		c.writes.failure()
	}
	if said || c.OnCluster() {
		c.failed.Store(time.Now().UnixNano())
	}
	if !said {
		c.breaker.failure()
	}
	err = explainReply(err, c.connector.option.lastUsed())
	_, wrong := errors.AsType[Mistake](err)
	news := wrong && !c.explained.Swap(true)
	if !c.down.CompareAndSwap(false, true) && !news {
		return false
	}
	if c.OnCluster() {
		c.logf("warning: a part of the Redis Cluster at %s cannot be used, requests for it answer 503 until it can: %v", c.addr, err)
	} else {
		c.logf("warning: redis at %s cannot be used, every request answers 503 until it can: %v", c.addr, err)
	}
	return true
}

// recordAnswer is recordUp of a PING, or of a probe of writes that has ended. While writes
// are probed, PING says nothing: in a failover it is answered, and writes wait.
func (c *Client) recordAnswer() {
	if !c.writes.busy.Load() {
		c.recordUp()
	}
}

// recordUp logs that Redis can be used again, if it was known not to.
func (c *Client) recordUp() (logged bool) {
	if !c.down.Load() {
		return false
	}
	quiet := quietAfterARefusal
	if c.OnCluster() {
		quiet = quietBeforeUp
	}
	if time.Since(time.Unix(0, c.failed.Load())) < quiet || !c.down.CompareAndSwap(true, false) {
		return false
	}
	c.explained.Store(false)
	c.logf("redis at %s can be used", c.addr)
	return true
}

package redis

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

const (
	// probeTimeout bounds the wait for a probe's answer; a quarter of the timeout of
	// calls if that is less.
	probeTimeout = 250 * time.Millisecond
	// probesToOpen is how many in a row must be in vain. With one, a new connection
	// that is cut like the one before it would do.
	probesToOpen = 2
	// The pause after a probe in vain (see rest): probePause while the circuit is open,
	// secondPause before that.
	probePause  = 100 * time.Millisecond
	secondPause = 10 * time.Millisecond
)

// circuit lets calls fail at once while Redis is known not to answer, so that
// they do not pile up, each until its time is out.
//
// A call that got no answer (its time was out, the connection broke or was
// refused) is a suspicion, no more: one slow script of somebody, or one cut
// connection, is not an outage. A suspicion sends a PING at once, while calls go on.
// If two in a row are in vain, and no other call is answered meanwhile, the circuit
// opens: calls are refused with store.ErrUnavailable, and a PING goes out every
// 100 to 200 ms, one at a time. The first answer closes it, for all: letting a few calls through first would spare Redis nothing, since at most two
// flights of each lane are on their way to it at once (see lane).
//
// Any answer will do, an error too. A Redis that says LOADING, READONLY or OOM
// answers as fast as one that serves, so nobody waits; calls that it can carry out
// while it refuses others, as kill when memory is out, do go through; and PING
// could not tell when the refusal ends.
type circuit struct {
	// ping sends a PING and returns the error of the round trip.
	ping    func(context.Context) error
	timeout time.Duration // of a probe
	// answered is called when it closes; the call that was the suspicion has made the
	// line in the log that Redis cannot be used.
	answered func()
	// watch is told of each change.
	watch func(open bool)

	refusal atomic.Pointer[error] // what calls get while it is open, else nil
	answers atomic.Uint32         // counted while probe runs
	prober
}

func newCircuit(s *Store, ping func(context.Context) error) *circuit {
	c := &circuit{
		ping: ping, timeout: min(probeTimeout, s.timeout/4),
		answered: func() { s.noteUp() }, watch: s.watch.Circuit,
	}
	c.prober.init()
	return c
}

// refused is what to answer a call with while the circuit is open, nil while it is
// closed.
func (c *circuit) refused() error {
	if err := c.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// heard notes that Redis has answered a call.
func (c *circuit) heard() {
	if c.busy.Load() {
		c.answers.Add(1)
	}
}

// suspect notes that a call got no answer.
func (c *circuit) suspect() { c.begin(c.probe) }

// probe asks until Redis answers, at once first.
func (c *circuit) probe(ctx context.Context) {
	opened := false
	for n := 1; ; n++ {
		before := c.answers.Load()
		err := c.knock(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || c.answers.Load() != before {
			if opened {
				c.refusal.Store(nil)
				c.watch(false)
				c.answered()
			}
			return
		}
		if n == probesToOpen {
			opened = true
			refusal := fmt.Errorf("%w: redis does not answer: %v", store.ErrUnavailable, err)
			c.refusal.Store(&refusal)
			c.watch(true)
		}
		pause := probePause
		if n < probesToOpen {
			pause = secondPause
		}
		if !rest(ctx, pause) {
			return
		}
	}
}

// knock sends one PING. Its error is nil if there was an answer of any kind.
func (c *circuit) knock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.ping(ctx)
	if _, said := rueidis.IsRedisErr(err); said {
		return nil
	}
	return err
}

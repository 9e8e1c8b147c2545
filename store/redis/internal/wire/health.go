package wire

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store"
)

// How long Redis must have served without fail to be called usable again: a cluster,
// since while a node is gone the others still serve; and one that said itself that it
// cannot serve, since out of memory, or a replica, it refuses some commands and takes
// others.
const (
	quietBeforeUp      = 3 * time.Second // a cluster
	quietAfterARefusal = time.Second
)

// writeKnown is how long after a write that succeeded Redis is taken to be writable
// without another one.
const writeKnown = 10 * time.Second

// health is what is known of whether Redis serves. It learns it from the outcome of calls;
// a call that fails starts probes (probe.go), which find out when Redis serves again. It has
// one state, which is read without a lock.
type health struct {
	// ping sends a PING, and write makes a write and undoes it; write is nil if nothing
	// may be written.
	ping, write func(context.Context) error
	pingTimeout time.Duration
	onCluster   func() bool
	// explain says in plain words why a call failed.
	explain func(error) error
	// circuit is told when calls begin to fail at once, and when they no longer do.
	circuit func(open bool)
	addr    string
	logf    func(format string, args ...any)

	state   atomic.Pointer[state] // replaced under mu
	written atomic.Int64          // when a write last succeeded, in Unix nanoseconds
	probes
	mu sync.Mutex // guards changes of the state
}

// state is what is known at a moment. It is never changed.
type state struct {
	// down: a call found Redis unable to serve, and none since showed that it is able.
	down bool
	// explained: a Mistake was logged since down. It is news even if Redis was down before
	// for another reason, as when it restarts with another password.
	explained bool
	// failed is when a part of a cluster was last found down, or when one Redis last said
	// so itself.
	failed time.Time
	// silent is what calls get without being sent while Redis does not answer, else nil.
	silent error
	// unwritable is why writes fail, nil if they do not.
	unwritable error
}

// newHealth begins with a Redis of which nothing bad is known. The fields that health's
// user sets are set.
func newHealth(h *health) *health {
	h.state.Store(&state{})
	h.probes.ctx, h.probes.stop = context.WithCancel(context.Background())
	return h
}

// change replaces the state by one that f makes of a copy, unless f returns false.
func (h *health) change(f func(*state) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := *h.state.Load()
	if !f(&next) {
		return false
	}
	h.state.Store(&next)
	return true
}

// up reports whether Redis can be used, as far as is known; of a Redis Cluster: all of it.
func (h *health) up() bool { return !h.state.Load().down }

// refused returns the error of all calls while Redis does not answer, else nil.
func (h *health) refused() error { return h.state.Load().silent }

// writable reports whether a write has succeeded and none has failed since.
func (h *health) writable() bool { return h.state.Load().unwritable == nil && h.written.Load() != 0 }

// wrote notes that a write succeeded at about that time.
func (h *health) wrote(at time.Time) { h.written.Store(at.UnixNano()) }

// record takes note of the outcome of a call, or of an attempt to connect, and logs each
// change. An error reply is an answer: a Redis that says LOADING or OOM answers fast, and
// may execute kills.
func (h *health) record(err error) (logged bool) {
	said := refuses(err)
	if (err == nil || said) && h.pinging.Load() {
		h.answers.Add(1)
	}
	switch {
	case err == nil || !errors.Is(Classify(err), store.ErrUnavailable):
		return h.serves()
	case errors.Is(err, context.Canceled):
		return false
	}
	logged = h.fails(err, said)
	if h.write != nil {
		h.begin(&h.writing, h.probeWrites)
	}
	if !said {
		h.noAnswer()
	}
	return logged
}

// noAnswer takes note that a call got no answer.
func (h *health) noAnswer() { h.begin(&h.pinging, h.probeAnswers) }

// fails takes note of why a call failed; said: Redis said so itself.
func (h *health) fails(err error, said bool) (logged bool) {
	cluster := h.onCluster()
	err = h.explain(err)
	_, wrong := errors.AsType[Mistake](err)
	news := false
	h.change(func(s *state) bool {
		news = !s.down || wrong && !s.explained
		s.down, s.explained = true, s.explained || wrong
		if said || cluster {
			s.failed = time.Now()
		}
		return true
	})
	switch {
	case news && cluster:
		h.logf("warning: a part of the Redis Cluster at %s cannot be used, requests for it answer 503 until it can: %v", h.addr, err)
	case news:
		h.logf("warning: redis at %s cannot be used, every request answers 503 until it can: %v", h.addr, err)
	}
	return news
}

// serves takes note that Redis served a call.
func (h *health) serves() (logged bool) {
	if h.up() {
		return false
	}
	quiet := quietAfterARefusal
	if h.onCluster() {
		quiet = quietBeforeUp
	}
	logged = h.change(func(s *state) bool {
		news := s.down && time.Since(s.failed) >= quiet
		s.down, s.explained = false, false
		return news
	})
	if logged {
		h.logf("redis at %s can be used", h.addr)
	}
	return logged
}

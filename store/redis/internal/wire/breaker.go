package wire

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
	// probesToOpen is how many in a row must fail. One could: a new connection may be
	// cut like the one before it.
	probesToOpen = 2
	// The pause after a failed probe (see rest): probePause while the breaker is open,
	// secondPause before that.
	probePause  = 100 * time.Millisecond
	secondPause = 10 * time.Millisecond
)

// breaker lets calls fail at once while Redis does not answer. A call without an answer
// starts PINGs while calls go on: one slow script is no outage. If two in a row fail and no
// other call is answered meanwhile, it opens; the first answer closes it for all. An error
// reply is an answer: a Redis that says LOADING or OOM answers fast, and may execute kills.
type breaker struct {
	// ping sends a PING and returns the error of the round trip.
	ping    func(context.Context) error
	timeout time.Duration // of a probe
	// closed is called when it closes; the failed call logged that Redis cannot be used.
	closed func()
	// watch is told of each change.
	watch func(open bool)

	refusal atomic.Pointer[error] // what calls get while it is open, else nil
	answers atomic.Uint32         // counted while probe runs
	prober
}

// newBreaker makes one for calls that take the timeout at most.
func newBreaker(timeout time.Duration, ping func(context.Context) error, closed func(), watch func(open bool)) *breaker {
	b := &breaker{ping: ping, timeout: min(probeTimeout, timeout/4), closed: closed, watch: watch}
	b.prober.init()
	return b
}

// refused returns the error of all calls while it is open, nil while it is closed.
func (b *breaker) refused() error {
	if err := b.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// success notes that Redis has answered a call.
func (b *breaker) success() {
	if b.busy.Load() {
		b.answers.Add(1)
	}
}

// failure notes that a call got no answer.
func (b *breaker) failure() { b.begin(b.probe) }

// probe asks until Redis answers, at once first.
func (b *breaker) probe(ctx context.Context) {
	opened := false
	for n := 1; ; n++ {
		before := b.answers.Load()
		err := b.probeOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || b.answers.Load() != before {
			if opened {
				b.refusal.Store(nil)
				b.watch(false)
				b.closed()
			}
			return
		}
		if n == probesToOpen {
			opened = true
			refusal := fmt.Errorf("%w: redis does not answer: %v", store.ErrUnavailable, err)
			b.refusal.Store(&refusal)
			b.watch(true)
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

// probeOnce sends one PING. Its error is nil if there was an answer of any kind.
func (b *breaker) probeOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	err := b.ping(ctx)
	if _, said := rueidis.IsRedisErr(err); said {
		return nil
	}
	return err
}

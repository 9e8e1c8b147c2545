package wire

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"rest-sessions/store"
)

const (
	// writePause is the pause between probes while writes fail (see rest).
	writePause = 100 * time.Millisecond
	// writeKnown is how long after a write that succeeded Redis is taken to be
	// writable without another one.
	writeKnown = 10 * time.Second
)

// writability keeps account of whether Redis carries out writes. A replica, a Redis
// without memory or with a disk that fails, and an access list that is too narrow all
// answer PING, but serve no session, since a read counts itself. A call that was
// refused starts probes by lua/probe.lua, and only a probe that succeeds ends them: a
// Redis without memory still takes kills.
type writability struct {
	// probe makes one write and removes it.
	probe func(context.Context) error

	refusal   atomic.Pointer[error] // why writes fail, nil if they do not
	confirmed atomic.Int64          // when one last succeeded, in Unix nanoseconds
	prober
}

func newWritability(probe func(context.Context) error) *writability {
	w := &writability{probe: probe}
	w.prober.init()
	return w
}

// wrote notes that a write succeeded at about now.
func (w *writability) wrote(now time.Time) { w.confirmed.Store(now.UnixNano()) }

// failure notes that a call failed.
func (w *writability) failure() { w.begin(w.probeUntilWritten) }

// check returns nil if Redis carries out writes. It makes one if the last failed, which
// may be over by now, or none has succeeded of late, since a Redis that nobody writes to
// may have become a replica.
func (w *writability) check(ctx context.Context) error {
	if w.refusal.Load() == nil && time.Since(time.Unix(0, w.confirmed.Load())) < writeKnown {
		return nil
	}
	return w.try(ctx)
}

// known reports whether a write has succeeded and none has failed since.
func (w *writability) known() bool { return w.refusal.Load() == nil && w.confirmed.Load() != 0 }

// try makes a probe and keeps its outcome.
func (w *writability) try(ctx context.Context) error {
	err := w.probe(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	if err != nil {
		err = fmt.Errorf("writes fail: %w", err)
		w.refusal.Store(&err)
		w.failure()
		return err
	}
	w.wrote(time.Now())
	w.refusal.Store(nil)
	return nil
}

func (w *writability) probeUntilWritten(ctx context.Context) {
	for w.try(ctx) != nil && rest(ctx, writePause) {
	}
}

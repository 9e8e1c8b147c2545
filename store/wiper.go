package store

import (
	"context"
	"math"
	"time"

	"github.com/valyala/fastrand"
)

// Wiper calls a store's Wipe again and again.
type Wiper struct {
	Store Store
	// Every is the mean time from one wipe to the next.
	Every time.Duration
	// Logf gets a line for each wipe that failed.
	Logf func(format string, args ...any)
	// Wiped is told of each wipe, how many sessions it removed, also if it failed then;
	// nil for nobody.
	Wiped func(removed int64, err error)
}

// Run wipes until ctx ends. The pauses vary by a tenth of Every to either side,
// so that the wipers of a fleet that was started at once drift apart.
func (w *Wiper) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.pause()):
		}
		removed, err := w.Store.Wipe(ctx)
		if ctx.Err() != nil {
			return
		}
		if w.Wiped != nil {
			w.Wiped(removed, err)
		}
		if err != nil {
			w.Logf("warning: wiping expired sessions failed; the next try is in about %v: %v", w.Every, err)
		}
	}
}

// pause returns a time from 0.9 to 1.1 of Every.
func (w *Wiper) pause() time.Duration {
	const steps = 1001
	// Divided first: a mean of decades must not overflow to no pause at all.
	pause := w.Every/10*9 + w.Every/5/(steps-1)*time.Duration(fastrand.Uint32n(steps))
	if pause < 0 {
		return math.MaxInt64
	}
	return pause
}

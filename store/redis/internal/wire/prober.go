package wire

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fastrand"
)

// prober runs one probe in the background at a time, until close.
type prober struct {
	busy  atomic.Bool // whether a probe runs
	ended func()      // called after a probe that was not stopped; nil for nothing

	mu      sync.Mutex // held to start a probe or to stop it
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func (p *prober) init() { p.ctx, p.stop = context.WithCancel(context.Background()) }

// begin starts probe unless one runs.
func (p *prober) begin(probe func(context.Context)) {
	if !p.busy.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	p.running.Go(func() {
		probe(p.ctx)
		p.busy.Store(false)
		if p.ended != nil && p.ctx.Err() == nil {
			p.ended()
		}
	})
}

// close stops the probe and returns when none runs.
func (p *prober) close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.running.Wait()
}

// rest waits for pause and up to as much again, at random, so that the servers of a
// fleet do not probe all at once. It returns false if ctx ends before.
func rest(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause + time.Duration(fastrand.Uint32n(uint32(pause)))):
		return true
	case <-ctx.Done():
		return false
	}
}

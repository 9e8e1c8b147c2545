package wire

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fastrand"

	"rest-sessions/store"
)

const (
	// longestPing bounds the wait for the answer to a PING; a quarter of the timeout of
	// calls if that is less.
	longestPing = 250 * time.Millisecond
	// pingsToOpen is how many in a row must fail. One could: a new connection may be
	// cut like the one before it.
	pingsToOpen = 2
	// probePause is the pause after a failed probe, secondPause after the first PING
	// (see rest).
	probePause  = 100 * time.Millisecond
	secondPause = 10 * time.Millisecond
)

// probes run in the background, one of each kind at a time, until close.
type probes struct {
	pinging, writing atomic.Bool   // whether such a probe runs
	answers          atomic.Uint32 // calls that were answered while pinging

	starting sync.Mutex // held to start a probe or to stop all
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// begin starts a probe unless it runs.
func (p *probes) begin(runs *atomic.Bool, probe func(context.Context)) {
	if !runs.CompareAndSwap(false, true) {
		return
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	if p.ctx.Err() == nil {
		p.running.Go(func() { probe(p.ctx) })
	}
}

// close stops the probes and returns when none runs.
func (p *probes) close() {
	p.starting.Lock()
	p.stop()
	p.starting.Unlock()
	p.running.Wait()
}

// probeAnswers sends PINGs until Redis answers, at once first, while calls go on: one slow
// script is no outage. If two in a row fail and no other call is answered meanwhile, calls
// fail at once from then on; the first answer ends that.
func (h *health) probeAnswers(ctx context.Context) {
	defer h.pinging.Store(false)
	opened := false
	for n := 1; ; n++ {
		before := h.answers.Load()
		err := h.pingOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || h.answers.Load() != before:
			if opened {
				h.open(nil)
				h.answered()
			}
			return
		case n == pingsToOpen:
			opened = true
			h.open(fmt.Errorf("%w: redis does not answer: %v", store.ErrUnavailable, err))
		}
		pause := probePause
		if n < pingsToOpen {
			pause = secondPause
		}
		if !rest(ctx, pause) {
			return
		}
	}
}

// open lets calls fail at once with an error; nil lets them be sent.
func (h *health) open(err error) {
	h.change(func(s *state) bool { s.silent = err; return true })
	h.circuit(err != nil)
}

// pingOnce sends one PING. Its error is nil if there was an answer of any kind.
func (h *health) pingOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.pingTimeout)
	defer cancel()
	err := h.ping(ctx)
	if refuses(err) {
		h.record(err)
		return nil
	}
	return err
}

// answered takes note of a PING that was answered. While writes are probed that says
// nothing: in a failover PING is answered, and writes wait.
func (h *health) answered() {
	if !h.writing.Load() {
		h.serves()
	}
}

// checkWrites returns nil if Redis carries out writes. It makes one if the last failed, or
// none has succeeded lately: a Redis that nobody writes to may have become a replica.
func (h *health) checkWrites(ctx context.Context) error {
	if h.state.Load().unwritable == nil && time.Since(time.Unix(0, h.written.Load())) < writeKnown {
		return nil
	}
	return h.writeOnce(ctx)
}

// writeOnce makes a write and keeps its outcome.
func (h *health) writeOnce(ctx context.Context) error {
	err := h.write(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	if err == nil {
		h.wrote(time.Now())
	} else {
		err = fmt.Errorf("writes fail: %w", err)
	}
	h.change(func(s *state) bool { s.unwritable = err; return true })
	if err != nil {
		h.begin(&h.writing, h.probeWrites)
	}
	return err
}

// probeWrites makes writes until one succeeds. A replica, a Redis without memory or with a
// disk that fails, and an access list that is too narrow all answer PING, and kills too,
// but serve no session, since a read counts itself. One Redis is written to until it is up:
// nobody may call meanwhile. Of a cluster a write says only that a part of it serves.
func (h *health) probeWrites(ctx context.Context) {
	for {
		if h.writeOnce(ctx) == nil {
			if h.serves(); h.up() || h.onCluster() {
				break
			}
		}
		if !rest(ctx, probePause) {
			break
		}
	}
	h.writing.Store(false)
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

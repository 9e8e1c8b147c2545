package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

const (
	// touchEvery is how often reads' touches are written, half of the second in
	// which they are to be on disk.
	touchEvery = 500 * time.Millisecond
	// A disk that refused is tried again after retryAfter, or after so many times
	// the time that it took to refuse, if that is longer.
	retryAfter  = 200 * time.Millisecond
	retryFactor = 5
	// waitStep is how many removals a walk lets queue up before it waits for them.
	waitStep = 1024
)

// place is where a session, or an alias, was when it changed, and the number of its
// record. Slot 0 is for a record whose owner is nowhere.
type place struct {
	shard  *shard
	slot   uint32
	alias  bool
	number uint64
	// moved is of a session that went on under another number, in the same commit.
	moved bool
}

// journal brings changes to disk. Memory goes ahead: a change is made there, its
// place is queued under the shard's lock, and the caller waits until a commit that
// began later has ended. One goroutine commits, without a timer: all that queued
// while it was busy goes next. What it writes of a session is its state of then, not
// of when it was queued, so disk follows memory whatever the order in which places
// came in, and a commit that failed is simply done again with the next.
type journal struct {
	store   *Store
	commit  func(*disk.Batch) error
	timeout time.Duration
	logf    func(format string, args ...any)

	wake chan struct{} // holds one token when there is something to do
	quit chan struct{}
	done chan struct{}

	mu    sync.Mutex
	queue []place
	// seq counts changes, saved is up to which they are on disk.
	seq, saved uint64
	// busy is the commit under way, open the next one.
	busy, open *group
	since      time.Time // when busy began
	failed     error     // why the last commit failed
	slow       bool      // busy has taken over timeout, and the log has a line about it

	// What follows is for the goroutine.
	pending []place
	batch   disk.Batch
	text    []byte // the records of batch
	log     touchLog
}

// group is those who wait for the same commit.
type group struct {
	done chan struct{}
	last uint64 // the last change in it, once it is under way
	err  error  // once done is closed
}

func newJournal(s *Store, commit func(*disk.Batch) error, o Options) *journal {
	j := &journal{
		store: s, commit: commit, timeout: o.Timeout, logf: o.Logf,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if j.logf == nil {
		j.logf = func(string, ...any) {}
	}
	j.log.store = s
	return j
}

// admit returns an error if a change would not get to disk now. Nothing is to be
// changed then: what cannot be saved is refused before it is done, but for what is
// under way when the disk fails.
func (j *journal) admit() error {
	j.mu.Lock()
	failed, since := j.failed, j.since
	j.mu.Unlock()
	switch {
	case failed != nil:
		return unsaved(failed)
	case j.timeout > 0 && !since.IsZero() && time.Since(since) > j.timeout:
		return unsaved(j.late())
	}
	return nil
}

var errSlow = errors.New("the disk does not answer in time")

// late is errSlow. The first of a commit makes a line in the log.
func (j *journal) late() error {
	j.mu.Lock()
	first := !j.slow && !j.since.IsZero()
	j.slow = j.slow || first
	j.mu.Unlock()
	if first {
		j.logf("error: the disk has taken over %v for a write; requests that would change a session answer 503 until it has ended", j.timeout)
	}
	return errSlow
}

func unsaved(err error) error {
	return fmt.Errorf("embedded: not saved: %w: %w", store.ErrUnavailable, err)
}

// add queues places, with their shard's lock held, and returns the number of the
// change. All of one call are saved in one commit.
func (j *journal) add(places []place) uint64 {
	j.mu.Lock()
	j.queue = append(j.queue, places...)
	j.seq++
	seq := j.seq
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return seq
}

// wait returns once change seq, and all before it, are on disk, or an error if that
// is not known within the timeout.
func (j *journal) wait(ctx context.Context, seq uint64) error {
	j.mu.Lock()
	if seq <= j.saved || j.failed != nil {
		err := j.failed
		saved := seq <= j.saved
		j.mu.Unlock()
		if saved {
			return nil
		}
		return unsaved(err)
	}
	g := j.busy
	if g == nil || seq > g.last {
		if j.open == nil {
			j.open = &group{done: make(chan struct{})}
		}
		g = j.open
	}
	j.mu.Unlock()

	var late <-chan time.Time
	if j.timeout > 0 {
		timer := timers.Get().(*time.Timer)
		timer.Reset(j.timeout)
		defer func() {
			timer.Stop()
			timers.Put(timer)
		}()
		late = timer.C
	}
	select {
	case <-g.done:
		if g.err != nil {
			return unsaved(g.err)
		}
		return nil
	case <-late:
		return unsaved(j.late())
	case <-ctx.Done():
		return unsaved(ctx.Err())
	}
}

// timers holds stopped timers.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

// backlog returns how many places are queued, and the last change.
func (j *journal) backlog() (places int, seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue), j.seq
}

// changed queues a session that was made or changed, or will be removed. It is
// saved once unlock is called.
func (sh *shard) changed(slot uint32) {
	if sh.journal != nil {
		sh.places = append(sh.places, place{shard: sh, slot: slot, number: sh.sessions.at(slot).serial})
	}
}

// changedAlias is changed for an alias.
func (sh *shard) changedAlias(slot uint32) {
	if sh.journal != nil {
		sh.places = append(sh.places, place{shard: sh, slot: slot, alias: true, number: sh.aliases.table.at(slot).number})
	}
}

// unlock ends a change of the shard and releases its lock. It returns what saved
// waits for: this change, and those of the shard before it, on which an answer such
// as "no such session" rests too.
func (sh *shard) unlock() (seq uint64) {
	if len(sh.places) > 0 {
		sh.seq = sh.journal.add(sh.places)
		if sh.places = sh.places[:0]; cap(sh.places) > 4*waitStep {
			sh.places = nil
		}
	}
	seq = sh.seq
	sh.mu.Unlock()
	return seq
}

// admitted returns an error if ctx has ended or changes cannot be saved now.
func (s *Store) admitted(ctx context.Context) error {
	if err := ended(ctx); err != nil || s.journal == nil {
		return err
	}
	return s.journal.admit()
}

// saved waits until a change is on disk, if sessions are kept there.
func (s *Store) saved(ctx context.Context, seq uint64) error {
	if s.journal == nil || seq == 0 {
		return nil
	}
	return s.journal.wait(ctx, seq)
}

// drain waits until few changes are queued, or the disk fails.
func (s *Store) drain(ctx context.Context) {
	if s.journal == nil {
		return
	}
	if places, seq := s.journal.backlog(); places > waitStep {
		s.journal.wait(ctx, seq)
	}
}

// walk is a removal in steps. It waits for the disk at its end, and on the way as
// soon as much is queued.
type walk struct {
	seq     uint64 // the last change that the answer rests on
	removed int    // since it last waited
}

// step ends a step on a shard, whose lock it releases.
func (w *walk) step(ctx context.Context, s *Store, sh *shard) error {
	w.removed += len(sh.places)
	w.seq = max(w.seq, sh.unlock())
	if w.removed < waitStep {
		return nil
	}
	w.removed = 0
	return s.saved(ctx, w.seq)
}

// end waits for all steps.
func (w *walk) end(ctx context.Context, s *Store) error { return s.saved(ctx, w.seq) }

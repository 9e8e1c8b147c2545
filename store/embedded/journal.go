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
	// waitStep is how many removals a removal lets queue up before it waits for them.
	waitStep = 1024
)

// changed is where a session or an alias was when it changed, and the number of its record.
// Slot 0 means a record without an owner in memory.
type changed struct {
	shard  *shard
	slot   uint32
	alias  bool
	number uint64
	// moved is of a session that went on under another number, in the same commit.
	moved bool
}

// journal writes changes to disk. A change is made in memory first and queued under the
// shard's lock; the caller waits for a commit that began later. One goroutine commits,
// without a timer, all that queued while it was busy. It writes a session as it is at that
// moment, so the order of the queue does not matter, and a failed commit is repeated with
// the next.
type journal struct {
	store   *Store
	commit  func(*disk.Batch) error
	timeout time.Duration
	logf    func(format string, args ...any)

	wake chan struct{} // holds one token when there is something to do
	quit chan struct{}
	done chan struct{}

	mu    sync.Mutex
	queue []changed
	// seq counts changes, saved is up to which they are on disk.
	seq, saved uint64
	// busy is the commit under way, open the next one.
	busy, open *group
	since      time.Time // when busy began
	failed     error     // why the last commit failed
	slow       bool      // busy has taken over timeout, and the log has a line about it

	// What follows is for the goroutine.
	pending []changed
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

// add queues changes, with their shard's lock held, and returns the number of the
// change. All of one call are saved in one commit.
func (j *journal) add(changes []changed) uint64 {
	j.mu.Lock()
	j.queue = append(j.queue, changes...)
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

// backlog returns how many changes are queued, and the number of the last.
func (j *journal) backlog() (queued int, seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue), j.seq
}

// changed queues a session that was made or changed, or will be removed. It is
// saved once unlock is called.
func (sh *shard) changed(slot uint32) {
	if sh.journal != nil {
		sh.changes = append(sh.changes, changed{shard: sh, slot: slot, number: sh.sessions.at(slot).serial})
	}
}

// changedAlias is changed for an alias.
func (sh *shard) changedAlias(slot uint32) {
	if sh.journal != nil {
		sh.changes = append(sh.changes, changed{shard: sh, slot: slot, alias: true, number: sh.aliases.table.at(slot).number})
	}
}

// unlock ends a change of the shard and releases its lock. It returns what saved
// waits for: this change, and those of the shard before it, on which an answer such
// as "no such session" rests too.
func (sh *shard) unlock() (seq uint64) {
	if len(sh.changes) > 0 {
		sh.seq = sh.journal.add(sh.changes)
		if sh.changes = sh.changes[:0]; cap(sh.changes) > 4*waitStep {
			sh.changes = nil
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
	if queued, seq := s.journal.backlog(); queued > waitStep {
		s.journal.wait(ctx, seq)
	}
}

// removal removes many sessions in steps. It waits for the disk at its end, and before
// that whenever waitStep changes are queued.
type removal struct {
	seq     uint64 // the last change that the answer rests on
	removed int    // since it last waited
}

// step ends a step on a shard, whose lock it releases.
func (w *removal) step(ctx context.Context, s *Store, sh *shard) error {
	w.removed += len(sh.changes)
	w.seq = max(w.seq, sh.unlock())
	if w.removed < waitStep {
		return nil
	}
	w.removed = 0
	return s.saved(ctx, w.seq)
}

// end waits for all steps.
func (w *removal) end(ctx context.Context, s *Store) error { return s.saved(ctx, w.seq) }

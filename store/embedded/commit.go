package embedded

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"rest-sessions/store/embedded/disk"
)

// run commits until quit is closed, and then once more.
func (j *journal) run() {
	defer close(j.done)
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	retry := time.NewTimer(0)
	<-retry.C
	var failed error
	for {
		wake, touches := j.wake, tick.C
		if failed != nil {
			wake, touches = nil, nil
		}
		passes := 0 // to begin and end before the goroutine ends
		select {
		case <-wake:
		case <-touches:
			j.log.begin()
		case <-retry.C:
		case <-j.quit:
			passes = 1
			if j.log.passing {
				passes = 2 // it may have been where a touch came in later
			}
			j.log.begin()
		}
		quit := passes > 0
		for more := true; more; {
			began := time.Now()
			var err error
			more, err = j.step()
			if err == nil && failed != nil {
				j.logf("sessions are written to disk again")
			}
			if err != nil {
				if failed == nil {
					j.logf("error: sessions cannot be written to disk; requests that would change one answer 503: %v", err)
				}
				if !errors.Is(err, disk.ErrBroken) {
					retry.Reset(max(retryAfter, retryFactor*time.Since(began)))
				}
			}
			failed = err
			if quit && err == nil && !more {
				if passes--; passes > 0 {
					j.log.begin()
					more = true
				}
			}
		}
		if quit {
			return
		}
	}
}

// step commits what is queued, and a part of the pass under way, and reports
// whether there is more of that.
func (j *journal) step() (more bool, err error) {
	b := &j.batch
	j.store.moves.Lock()
	g := j.take()
	j.snapshot(b)
	j.store.moves.Unlock()
	if j.log.passing && len(b.Log) == 0 && b.Forget == 0 {
		b.Log, b.Forget = j.log.collect(b.Log[:0])
	}
	// After all that is in the batch.
	b.Last = j.store.serial.Load()
	if !b.Empty() {
		err = j.commit(b)
	}
	if err == nil {
		j.pending = j.pending[:0]
		b.Log, b.Forget = b.Log[:0], 0
	} else if !errors.Is(err, disk.ErrBroken) {
		j.removeAtLeast(b)
	}
	j.finish(g, err)
	return err == nil && j.log.passing, err
}

// take moves what is queued to pending and begins the commit of it.
func (j *journal) take() *group {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(j.pending, j.queue...)
	j.queue = j.queue[:0]
	g := j.open
	if g == nil {
		g = &group{done: make(chan struct{})}
	}
	g.last = j.seq
	j.busy, j.open, j.since = g, nil, time.Now()
	return g
}

func (j *journal) finish(g *group, err error) {
	g.err = err
	j.mu.Lock()
	slow, took := j.slow, time.Since(j.since)
	j.slow = false
	if err == nil {
		j.saved = g.last
	}
	j.busy, j.since, j.failed = nil, time.Time{}, err
	next := j.open
	if err == nil {
		next = nil
	} else if next != nil {
		// Nobody waits for the next attempt.
		next.err, j.open = err, nil
	}
	j.mu.Unlock()
	if slow && err == nil {
		j.logf("sessions are written to disk again; one write took %v", took.Round(time.Millisecond))
	}
	close(g.done)
	if next != nil {
		close(next.done)
	}
}

// snapshot makes the batch's records of what is pending, sorted by number, each
// once.
func (j *journal) snapshot(b *disk.Batch) {
	slices.SortFunc(j.pending, func(a, b changed) int {
		if a.moved && !b.moved && a.number == b.number {
			return -1 // the first of a number is kept
		}
		return cmp.Compare(a.number, b.number)
	})
	j.pending = slices.CompactFunc(j.pending, func(a, b changed) bool { return a.number == b.number })
	if cap(j.text) > 4<<20 {
		j.text = nil
	}
	j.text = j.text[:0]
	b.Records = b.Records[:0]
	var s stored
	for _, p := range j.pending {
		r := disk.Record{Number: p.number}
		if p.shard.copy(p, &s) {
			start := len(j.text)
			j.text = s.append(j.text)
			r.Content = j.text[start:]
		}
		b.Records = append(b.Records, r)
	}
}

// removeAtLeast commits the removals alone. On a full disk they often fit into what
// the file has, and make room in it. A session that moved is not one: without its new
// record it would be gone.
func (j *journal) removeAtLeast(b *disk.Batch) {
	removals := disk.Batch{Last: b.Last}
	for i, r := range b.Records {
		if r.Content == nil && !j.pending[i].moved {
			removals.Records = append(removals.Records, r)
		}
	}
	if removals.Empty() || len(removals.Records) == len(b.Records) && len(b.Log) == 0 {
		return
	}
	if j.commit(&removals) != nil {
		return
	}
	// Records and pending are alike in order. A serial that went never comes back.
	kept := j.pending[:0]
	for i, p := range j.pending {
		if b.Records[i].Content != nil || p.moved {
			kept = append(kept, p)
		}
	}
	j.pending = kept
}

// copy copies the session or alias at p and reports whether it is still there.
func (sh *shard) copy(p changed, s *stored) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if p.slot == 0 {
		return false
	}
	if p.alias {
		if !sh.aliases.table.used(p.slot) || sh.aliases.table.at(p.slot).number != p.number {
			return false
		}
		a := sh.aliases.table.at(p.slot)
		rec := sh.at(a.slot, a.serial)
		if rec == nil {
			return false
		}
		*s = stored{session: session{token: a.token}, aliasOf: rec.serial, until: a.until}
		return true
	}
	if !sh.sessions.used(p.slot) || sh.sessions.at(p.slot).serial != p.number {
		return false
	}
	rec := sh.sessions.at(p.slot)
	owner := sh.users.at(rec.user)
	*s = stored{session: *rec, app: sh.apps.at(owner.app).name, userActivity: owner.lastActivity}
	return true
}

package embedded

import (
	"context"
	"math"
	"slices"

	"rest-sessions/store"
)

// Kill ends a session and reports whether there was one.
func (s *Store) Kill(ctx context.Context, app, token string) (bool, error) {
	if err := s.admitted(ctx); err != nil {
		return false, err
	}
	t, k := pack(token), s.key(app, token)
	sh := s.shard(store.TokenBucket(token))
	sh.mu.Lock()
	now := s.now()
	slot, rec := sh.find(k, app, &t, now)
	killed := rec != nil && rec.alive(now)
	if killed {
		sh.remove(slot)
	}
	if err := s.saved(ctx, sh.unlock()); err != nil {
		return false, err
	}
	return killed, nil
}

// KillID ends the sessions that the user has when it starts, but for that of the
// token except, and returns how many of them were alive. On an error, some have
// ended, and it says how many.
func (s *Store) KillID(ctx context.Context, app, id, except string) (int64, error) {
	k := s.key(app, id)
	sh := s.shard(store.Bucket(id))
	var total int64
	last := uint64(0) // the serial of the newest session to go
	kept := uint64(0) // that of the one to stay, which is no other's
	var w removal
	for more := true; more; {
		if err := s.admitted(ctx); err != nil {
			return total, err
		}
		var killed int64
		sh.mu.Lock()
		now := s.now()
		if last == 0 {
			last = sh.serial
			kept = s.serialOf(sh, app, except, now)
		}
		killed, more = sh.killUser(k, app, id, last, kept, now)
		err := w.step(ctx, s, sh)
		total += killed
		if err != nil {
			return total, err
		}
		if more {
			yield()
		}
	}
	return total, w.end(ctx, s)
}

// serialOf returns the serial of the session that answers to the token at now, or 0 if
// there is none in the shard, whose lock is held; token may be "".
func (s *Store) serialOf(sh *shard, app, token string, now int64) uint64 {
	if token == "" || s.shard(store.TokenBucket(token)) != sh {
		return 0
	}
	t := pack(token)
	if _, rec := sh.find(s.key(app, token), app, &t, now); rec != nil {
		return rec.serial
	}
	return 0
}

// killUser removes a step of the user's sessions up to the serial last, but for
// that with the serial kept, oldest first: newer ones, however many come in, do not
// keep it from ending. It returns how many were alive and whether there are more.
func (sh *shard) killUser(k key, appName, id string, last, kept uint64, now int64) (alive int64, more bool) {
	_, u := sh.user(k, appName, id)
	if u == nil {
		return 0, false
	}
	for range removeStep {
		slot := sh.sessions.at(u.newest).newer
		rec := sh.sessions.at(slot)
		only := rec.older == slot
		if rec.serial == kept && !only {
			slot = rec.newer
			rec = sh.sessions.at(slot)
		}
		if rec.serial > last || rec.serial == kept {
			return alive, false
		}
		if rec.alive(now) {
			alive++
		}
		sh.remove(slot)
		if only {
			return alive, false
		}
	}
	return alive, true
}

// KillHandle ends the session of the user that has the handle.
func (s *Store) KillHandle(ctx context.Context, app, id, handle string) (bool, error) {
	all, err := s.entriesOfUser(ctx, app, id)
	if err != nil {
		return false, err
	}
	sh := s.shard(store.Bucket(id))
	for step := range slices.Chunk(all, handleStep) {
		if err := s.admitted(ctx); err != nil {
			return false, err
		}
		if killed, seq := sh.killHandle(step, handle, s.now); killed {
			return true, s.saved(ctx, seq)
		}
		yield()
	}
	if err := s.admitted(ctx); err != nil {
		return false, err
	}
	sh.mu.Lock()
	return false, s.saved(ctx, sh.unlock())
}

// handleStep is how many sessions are looked at for a handle with the shard's lock held:
// some 20 microseconds.
const handleStep = 64

// killHandle removes the live session with the handle, if it is one of entries.
func (sh *shard) killHandle(entries []entry, handle string, clock func() int64) (killed bool, seq uint64) {
	sh.mu.Lock()
	defer func() { seq = sh.unlock() }()
	now := clock()
	for _, e := range entries {
		rec := sh.at(e.slot, e.serial)
		if rec != nil && rec.alive(now) && store.HasHandle(rec.details("", nil).First, handle) {
			sh.remove(e.slot)
			return true, 0
		}
	}
	return false, 0
}

// KillApp ends the sessions that the app has when it starts and returns how many
// records it removed, also of expired sessions. On an error, some
// have ended, and it says how many.
func (s *Store) KillApp(ctx context.Context, app string) (int64, error) {
	k := s.key(app, "")
	var total int64
	var w removal
	for i := range s.shards {
		sh := &s.shards[i]
		for from := math.MaxInt; from >= 0; {
			if err := s.admitted(ctx); err != nil {
				return total, err
			}
			var killed int64
			sh.mu.Lock()
			killed, from = sh.killApp(k, app, from)
			err := w.step(ctx, s, sh)
			total += killed
			if err != nil {
				return total, err
			}
			if from >= 0 {
				yield()
			}
		}
	}
	return total, w.end(ctx, s)
}

// killApp removes a step of the app's sessions, from index from of its list downwards, and
// returns how many and the index to go on at, -1 at the end. New sessions are appended, and
// the last takes the index of one that is removed. So a session that was not reached yet
// only moves down: the scan removes each of them, and ends however many are added.
func (sh *shard) killApp(k key, name string, from int) (killed int64, next int) {
	_, a := sh.app(k, name)
	if a == nil {
		return 0, -1
	}
	from = min(from, a.sessions.n-1)
	for ; from >= 0 && killed < removeStep; from-- {
		sh.remove(*a.sessions.at(from))
		killed++
	}
	return killed, from
}

package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"rest-sessions/store"
)

// trimTries is how often a Create trims the user's sessions first. Only others who
// start a hundred of the same user meanwhile make it more than once.
const trimTries = 5

// errSurplus is of a session that cannot be added before trim has ended others.
var errSurplus = errors.New("embedded: the user has too many sessions to end at once")

var errOutrun = fmt.Errorf("embedded: %w: sessions of the user come faster than they can be ended", store.ErrUnavailable)

// limitStep is how many sessions of a user a Create with a limit looks at with the
// shard's lock held: some 10 microseconds.
const limitStep = 128

// createWithin starts a session, and ends those of its user that are too many; seq
// is for saved. It reports false, and has done nothing, if those are so many that
// trim must come first.
func (sh *shard) createWithin(clock func() int64, k, userKey key, app, token string, rec session, n store.New) (seq uint64, d store.Details, ok bool) {
	sh.mu.Lock()
	defer func() { seq = sh.unlock() }()
	now := clock()
	var others []uint32
	if n.MaxSessions > 0 {
		if others, ok = sh.excess(userKey, app, n.ID, n.MaxSessions, now, 0); !ok {
			return 0, d, false
		}
	}
	if slot, old := sh.session(k, app, &rec.token); old != nil {
		sh.remove(slot)
	}
	rec.lastActivity, rec.created = now, uint32(now)
	if n.MaxAge > 0 {
		rec.end = now + n.MaxAge
	}
	sh.create(now, k, userKey, app, rec)
	for _, slot := range others {
		sh.remove(slot)
	}
	return 0, rec.details(token, &rec.token), true
}

// excess returns the user's sessions that are too many where one more is to come
// and limit may be, in the order in which they end. It reports false if to find or
// to end them would hold the lock for long. The one in the slot but does not count.
func (sh *shard) excess(k key, appName, id string, limit int, now int64, but uint32) (slots []uint32, ok bool) {
	_, u := sh.user(k, appName, id)
	if u == nil {
		return nil, true
	}
	for slot, looked := u.newest, 0; ; looked++ {
		if looked == limitStep {
			return nil, false
		}
		rec := sh.sessions.at(slot)
		if slot != but && rec.alive(now) {
			slots = append(slots, slot)
		}
		if slot = rec.older; slot == u.newest {
			break
		}
	}
	n := len(slots) + 1 - limit
	if n > removeStep {
		return nil, false
	}
	slices.SortFunc(slots, func(a, b uint32) int {
		x, y := sh.sessions.at(a), sh.sessions.at(b)
		return cmp.Or(cmp.Compare(x.lastActivity, y.lastActivity), slices.Compare(x.token[:], y.token[:]))
	})
	return slots[:max(0, n)], true
}

// trim ends, in steps, a user's expired sessions, and of the others all but the keep latest.
// The session that the token but names stays too, unless but is "".
func (s *Store) trim(ctx context.Context, app, id string, keep int, but string) error {
	all, err := s.entriesOfUser(ctx, app, id)
	if err == nil {
		err = s.order(ctx, &all)
	}
	if err != nil {
		return err
	}
	sh := s.shard(store.Bucket(id))
	stays := uint64(0) // the serial of that one, or no session's
	var w removal
	for from := 0; from < len(all); from += removeStep {
		if err := s.admitted(ctx); err != nil {
			return err
		}
		sh.mu.Lock()
		now := s.now()
		if serial := s.serialOf(sh, app, but, now); serial != 0 {
			stays = serial
		}
		for _, e := range all[from:min(from+removeStep, len(all))] {
			rec := sh.at(e.slot, e.serial)
			switch {
			case rec == nil || rec.serial == stays:
			case keep > 0 && rec.alive(now):
				keep--
			default:
				sh.remove(e.slot)
			}
		}
		if err := w.step(ctx, s, sh); err != nil {
			return err
		}
		yield()
	}
	return nil // the Create that follows waits for all of it
}

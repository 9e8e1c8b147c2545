package embedded

import (
	"context"

	"rest-sessions/store"
)

// Move makes a session another user's, in one step, on disk too.
func (s *Store) Move(ctx context.Context, app, token, fresh string, m store.Move) (store.Details, error) {
	if shardOf(store.TokenBucket(fresh)) != shardOf(store.Bucket(m.ID)) {
		return store.Details{}, errForeignToken
	}
	for range trimTries {
		if err := s.admitted(ctx); err != nil {
			return store.Details{}, err
		}
		d, seq, err := s.move(app, token, fresh, m)
		if err != errSurplus {
			if err := s.saved(ctx, seq); err != nil {
				return store.Details{}, err
			}
			return d, err
		}
		if err := s.trim(ctx, app, m.ID, m.MaxSessions, token); err != nil {
			return store.Details{}, err
		}
	}
	return store.Details{}, errOutrun
}

// move is Move in memory; seq is for saved. With errSurplus it has done nothing, since
// trim must come first.
func (s *Store) move(app, token, fresh string, m store.Move) (d store.Details, seq uint64, err error) {
	t := pack(token)
	k, freshKey, userKey := s.key(app, token), s.key(app, fresh), s.key(app, m.ID)
	fromIndex, toIndex := shardOf(store.TokenBucket(token)), shardOf(store.Bucket(m.ID))
	from, to := &s.shards[fromIndex], &s.shards[toIndex]

	s.moves.Lock()
	defer s.moves.Unlock()
	first, second := from, to
	if fromIndex > toIndex {
		first, second = to, from
	}
	first.mu.Lock()
	if second != first {
		second.mu.Lock()
	}
	defer func() {
		if seq = first.unlock(); second != first {
			seq = max(seq, second.unlock())
		}
	}()

	now := s.now()
	slot, rec := from.find(k, app, &t, now)
	if rec == nil || !rec.alive(now) {
		return d, 0, store.ErrNotFound
	}
	var surplus []uint32
	if m.MaxSessions > 0 {
		but := slot
		if from != to {
			but = 0
		}
		var ok bool
		if surplus, ok = to.excess(userKey, app, m.ID, m.MaxSessions, now, but); !ok {
			return d, 0, errSurplus
		}
	}
	from.touchAlone(rec, now) // it is not the old user who is active
	moved := *rec
	from.remove(slot)
	from.movedAway(moved.serial)
	moved.keepFirst()
	ip := m.IP
	if ip == "" {
		ip = moved.ip()
	}
	moved.setText(m.ID, ip, moved.first())
	moved.token = pack(fresh)
	// A serial of its own: the aliases of the old one lead nowhere now.
	to.create(max(now, moved.lastActivity), freshKey, userKey, app, moved)
	for _, slot := range surplus {
		to.remove(slot)
	}
	return moved.details(fresh, &moved.token), 0, nil
}

// movedAway marks the removal of the session with this serial as half of a move.
func (sh *shard) movedAway(serial uint64) {
	for i := range sh.changes {
		if p := &sh.changes[i]; p.number == serial {
			p.moved = true
		}
	}
}

package embedded

import (
	"context"

	"rest-sessions/store"
)

// alias is an old token that stands for its session until the grace ends. It
// names the session by its record, so it follows that to whatever token.
type alias struct {
	token token
	until int64 // the last second
	// number is that of its record on disk.
	number uint64
	// The session, as a listing remembers it.
	slot, serial uint32
	// next is the alias that was made after this one, 0 for the last.
	next uint32
}

// aliases are those of a shard, found by token and app as sessions are, and in the
// order in which they were made. They are forgotten in that order, so one with a
// long grace keeps those behind it up to store.MaxGrace seconds longer than they
// last. That costs less than a timer for each.
type aliases struct {
	table          table[alias]
	oldest, newest uint32
}

// forgetStep is how many aliases a Rotate forgets: more than it adds.
const forgetStep = 2

func (sh *shard) addAlias(hash uint32, a alias) uint32 {
	slot := sh.aliases.table.add(hash)
	*sh.aliases.table.at(slot) = a
	if newest := sh.aliases.newest; newest != 0 {
		sh.aliases.table.at(newest).next = slot
	} else {
		sh.aliases.oldest = slot
	}
	sh.aliases.newest = slot
	return slot
}

// forget removes aliases whose grace has ended at now, at most limit of them, and
// returns how many.
func (sh *shard) forget(now int64, limit int) (forgotten int) {
	for ; forgotten < limit && sh.aliases.oldest != 0; forgotten++ {
		oldest := sh.aliases.oldest
		a := sh.aliases.table.at(oldest)
		if a.until >= now {
			break
		}
		sh.changedAlias(oldest)
		if sh.aliases.oldest = a.next; a.next == 0 {
			sh.aliases.newest = 0
		}
		sh.aliases.table.remove(oldest)
	}
	return forgotten
}

// aliased returns the slot and record of the session that an old token stands for
// at now, or 0 and nil.
func (sh *shard) aliased(k key, appName string, t *token, now int64) (uint32, *session) {
	for i := sh.aliases.table.first(k.hash); i != 0; i = sh.aliases.table.next(i) {
		a := sh.aliases.table.at(i)
		if a.token != *t || a.until < now {
			continue
		}
		rec := sh.at(a.slot, a.serial)
		if rec != nil && sh.apps.at(sh.users.at(rec.user).app).name == appName {
			return a.slot, rec
		}
	}
	return 0, nil
}

// Rotate gives a session a new token and returns it.
func (s *Store) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	if err := s.admitted(ctx); err != nil {
		return "", store.Details{}, err
	}
	bucket := store.TokenBucket(token)
	if shardOf(bucket) != shardOf(store.TokenBucket(fresh)) {
		return "", store.Details{}, errForeignToken
	}
	t, k, freshKey := pack(token), s.key(app, token), s.key(app, fresh)
	sh := s.shard(bucket)
	sh.mu.Lock()
	now := s.now()
	current, d := sh.rotate(k, freshKey, app, &t, fresh, grace, now)
	if err := s.saved(ctx, sh.unlock()); err != nil {
		return "", store.Details{}, err
	}
	if current == "" {
		return "", d, store.ErrNotFound
	}
	return current, d, nil
}

// rotate gives a session the token fresh, unless t is an old one of it, and
// returns the token that it then has, "" if there is no such session, and its details.
func (sh *shard) rotate(k, freshKey key, app string, t *token, fresh string, grace, now int64) (string, store.Details) {
	slot, rec := sh.find(k, app, t, now)
	if rec == nil || !rec.alive(now) {
		return "", store.Details{}
	}
	sh.touch(rec, now)
	sh.changed(slot)
	if rec.token != *t {
		return rec.token.String(), rec.details("", nil)
	}
	rec.keepFirst()
	sh.forget(now, forgetStep)
	if grace > 0 {
		a := alias{token: *t, until: now + grace, slot: slot, serial: uint32(rec.serial), number: sh.nextSerial()}
		sh.changedAlias(sh.addAlias(k.hash, a))
	}
	rec.token = pack(fresh)
	sh.sessions.rehash(slot, freshKey.hash)
	return fresh, rec.details("", nil)
}

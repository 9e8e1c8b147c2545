package embedded

import (
	"strings"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

// shard holds the sessions and users of some of the buckets. Its methods want mu
// held.
type shard struct {
	mu       sync.Mutex
	sessions table[session]
	users    table[user]
	apps     table[app]
	timers   vector[timer]
	aliases  aliases
	// serials is the serial of the last session made in any shard, serial that of
	// the last one in this.
	serials *atomic.Uint64
	serial  uint64
	// What follows is for sessions that are kept on disk; journal is nil otherwise.
	// changes is what the change under way is about, seq the last that was queued,
	// and touched has a bit for each session that was read since it was last saved.
	journal *journal
	changes []changed
	seq     uint64
	touched []uint64
	// A mutex of the next shard on the same cache line would slow both.
	_ [64]byte
}

// session returns the slot and record of a session, alive or not, or 0 and nil.
func (sh *shard) session(k key, appName string, t *token) (uint32, *session) {
	for slot := sh.sessions.first(k.hash); slot != 0; slot = sh.sessions.next(slot) {
		rec := sh.sessions.at(slot)
		if rec.token == *t && sh.apps.at(sh.users.at(rec.user).app).name == appName {
			return slot, rec
		}
	}
	return 0, nil
}

// find returns the slot and record of the session that has the token or, at now,
// had it and still answers to it; alive or not, or 0 and nil.
func (sh *shard) find(k key, appName string, t *token, now int64) (uint32, *session) {
	slot, rec := sh.session(k, appName, t)
	if rec == nil && sh.aliases.oldest != 0 {
		return sh.aliased(k, appName, t, now)
	}
	return slot, rec
}

// user returns the slot and record of a user, or 0 and nil.
func (sh *shard) user(k key, appName, id string) (uint32, *user) {
	for slot := sh.users.first(k.hash); slot != 0; slot = sh.users.next(slot) {
		u := sh.users.at(slot)
		if sh.sessions.at(u.newest).id() == id && sh.apps.at(u.app).name == appName {
			return slot, u
		}
	}
	return 0, nil
}

// app returns the slot and record of an app, or 0 and nil.
func (sh *shard) app(k key, name string) (uint32, *app) {
	for slot := sh.apps.first(k.appHash); slot != 0; slot = sh.apps.next(slot) {
		if a := sh.apps.at(slot); a.name == name {
			return slot, a
		}
	}
	return 0, nil
}

// create adds a session with a serial of its own. The strings it is given are
// kept.
func (sh *shard) create(now int64, k, userKey key, appName string, rec session) {
	rec.serial = sh.nextSerial()
	sh.changed(sh.insert(now, k, userKey, appName, rec))
}

// nextSerial returns the next serial of the store. The low half is what a listing
// remembers, and no session's is that of an empty record.
func (sh *shard) nextSerial() uint64 {
	for {
		if serial := sh.serials.Add(1); uint32(serial) != 0 {
			return serial
		}
	}
}

// insert adds a session whose user is active at now, and returns its slot.
func (sh *shard) insert(now int64, k, userKey key, appName string, rec session) uint32 {
	u, owner := sh.user(userKey, appName, rec.id())
	if owner == nil {
		u = sh.createUser(now, userKey, appName)
		owner = sh.users.at(u)
	}
	a := sh.apps.at(owner.app)
	if owner.lastActivity < now { // the clock may have gone back
		a.activity.move(owner.lastActivity, now)
		owner.lastActivity = now
	}

	slot := sh.sessions.add(k.hash)
	if sh.journal != nil {
		sh.makeRoomForTouches()
	}
	sh.serial = max(sh.serial, rec.serial)
	rec.user = u
	rec.appPos = uint32(a.sessions.n)
	a.sessions.push(slot)
	if owner.newest == 0 {
		rec.newer, rec.older = slot, slot
	} else {
		newest := sh.sessions.at(owner.newest)
		rec.newer, rec.older = newest.newer, owner.newest
		// The newest may also be the oldest, so only now.
		sh.sessions.at(newest.newer).older = slot
		newest.newer = slot
	}
	owner.newest = slot
	*sh.sessions.at(slot) = rec
	sh.arm(slot, rec.wipeAt())
	return slot
}

// createUser adds a user, active now, who has no session yet.
func (sh *shard) createUser(now int64, k key, appName string) uint32 {
	slot, a := sh.app(k, appName)
	if a == nil {
		slot = sh.apps.add(k.appHash)
		a = sh.apps.at(slot)
		a.name = strings.Clone(appName)
	}
	a.activity.add(now)
	u := sh.users.add(k.hash)
	*sh.users.at(u) = user{lastActivity: now, app: slot}
	return u
}

// touch moves the last activity of a session and its user to now.
func (sh *shard) touch(rec *session, now int64) {
	if !sh.touchAlone(rec, now) {
		return
	}
	owner := sh.users.at(rec.user)
	if owner.lastActivity < now {
		sh.apps.at(owner.app).activity.move(owner.lastActivity, now)
		owner.lastActivity = now
	}
}

// touchAlone is touch of the session without its user, and reports whether it moved.
func (sh *shard) touchAlone(rec *session, now int64) bool {
	idle := now - rec.lastActivity
	if idle < 1 {
		return false
	}
	rec.lastActivity = now
	if rec.noResave {
		rec.ttl -= idle
	}
	return true
}

// remove takes a session away, and with the last one of a user or an app that
// user or app.
func (sh *shard) remove(slot uint32) {
	sh.changed(slot)
	rec := sh.sessions.at(slot)
	owner := sh.users.at(rec.user)
	a := sh.apps.at(owner.app)
	sh.disarm(rec.timerPos)

	last := a.sessions.pop()
	if last != slot {
		*a.sessions.at(int(rec.appPos)) = last
		sh.sessions.at(last).appPos = rec.appPos
	}
	if rec.older == slot {
		a.activity.remove(owner.lastActivity)
		if a.sessions.n == 0 {
			sh.apps.remove(owner.app)
		}
		sh.users.remove(rec.user)
	} else {
		sh.sessions.at(rec.newer).older = rec.older
		sh.sessions.at(rec.older).newer = rec.newer
		if owner.newest == slot {
			owner.newest = rec.older
		}
		if owner.lastActivity > sh.sessions.at(owner.newest).lastActivity {
			sh.changed(owner.newest) // whose record now has to say when the user was active
		}
	}
	sh.sessions.remove(slot)
}

// at returns the record that a listing remembers by slot and serial, or nil if
// that session has gone.
func (sh *shard) at(slot, serial uint32) *session {
	if !sh.sessions.used(slot) {
		return nil
	}
	if rec := sh.sessions.at(slot); uint32(rec.serial) == serial {
		return rec
	}
	return nil
}

// read answers a session at now and counts it.
func (sh *shard) read(slot uint32, now int64) store.Session {
	rec := sh.sessions.at(slot)
	s := rec.answer(now)
	sh.touch(rec, now)
	rec.r++
	sh.markTouched(slot)
	return s
}

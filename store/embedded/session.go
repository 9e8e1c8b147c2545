package embedded

import (
	"strings"

	"rest-sessions/store"
)

// session is a session's record: 160 bytes, of which the garbage collector looks
// at the first 32.
type session struct {
	// text is the user's id and then the ip: one allocation for both.
	text string
	// d is the text of the data, "" when there is none.
	d                 string
	token             token
	lastActivity, ttl int64
	end               int64 // the last second whatever the activity, 0 for none
	r, w              int64
	// serial is unique in the store and rises with each creation. It tells the
	// sessions apart that have the same slot one after the other, and is the number
	// of the record on disk.
	serial uint64
	// user is the slot of the user's record. newer and older link the user's
	// sessions in a ring by creation; the newest's newer is the oldest.
	user, newer, older uint32
	// appPos and timerPos are where the app's sessions and the timers have it.
	appPos, timerPos uint32
	idLen            uint16
	noResave         bool
	// listings is Store.listings at the last activity.
	listings uint32
}

// user is the record of a user who has sessions. It has no id of its own: that
// of its newest session is its.
type user struct {
	lastActivity int64
	app          uint32
	newest       uint32
}

// app is what a shard holds of an app while it has a session of it.
type app struct {
	name     string
	sessions vector[uint32]
	activity activityLog
}

func (rec *session) id() string { return rec.text[:rec.idLen] }

func (rec *session) alive(now int64) bool {
	return rec.ttl >= now-rec.lastActivity && (rec.end == 0 || rec.end >= now)
}

func (rec *session) wipeAt() int64 {
	return store.WipeAt(rec.lastActivity, rec.ttl, rec.noResave, rec.end)
}

// answer returns the session as a read at now answers it.
func (rec *session) answer(now int64) store.Session {
	s := store.Session{
		ID:       rec.text[:rec.idLen],
		IP:       rec.text[rec.idLen:],
		D:        rec.d,
		R:        rec.r,
		W:        rec.w,
		TTL:      rec.ttl,
		Idle:     max(0, now-rec.lastActivity),
		NoResave: rec.noResave,
	}
	if s.NoResave {
		s.TTL -= s.Idle
	}
	return s
}

// join returns a and b as one string in new memory, also when one is empty.
func join(a, b string) string {
	var text strings.Builder
	text.Grow(len(a) + len(b))
	text.WriteString(a)
	text.WriteString(b)
	return text.String()
}

// merge applies d to stored, as Data.Merge does, and gives back what memory the
// result does not need: Merge makes room for stored and d together, so a session
// that had its 60 KB of data removed would go on holding them.
func merge(stored string, d store.Data) (string, bool) {
	merged, ok := d.Merge(stored)
	if spare := len(stored) + size(d) - len(merged); spare > 32+len(merged)/8 {
		merged = strings.Clone(merged)
	}
	return merged, ok
}

// size returns how many bytes of an object's text d is.
func size(d store.Data) (n int) {
	for _, f := range d {
		n += len(f.Key) + len(f.Value) + len(":,")
	}
	return n
}

type token = store.PackedToken

func pack(text string) token { return store.PackToken(text) }

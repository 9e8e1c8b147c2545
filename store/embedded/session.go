package embedded

import (
	"strings"

	"rest-sessions/store"
)

// session is a session's record: 160 bytes, of which the garbage collector looks
// at the first 32.
type session struct {
	// text is the user's id, then the ip, and then the session's first token if it has
	// another one now: one allocation for all.
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
	ipLen            uint8
	noResave         bool
	// created is in Unix seconds, which fit until 2106, or 0 if that is not known.
	created uint32
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

func (rec *session) ip() string { return rec.text[rec.idLen:][:rec.ipLen] }

// first returns the session's first token, "" if that is its token of now.
func (rec *session) first() string { return rec.text[int(rec.idLen)+int(rec.ipLen):] }

// setText sets id, ip and first token.
func (rec *session) setText(id, ip, first string) {
	rec.text = join(id, ip, first)
	rec.idLen, rec.ipLen = uint16(len(id)), uint8(len(ip))
}

// keepFirst keeps the token of now as the first, before the session gets another.
func (rec *session) keepFirst() {
	if rec.first() == "" {
		rec.setText(rec.id(), rec.ip(), rec.token.String())
	}
}

func (rec *session) alive(now int64) bool {
	return rec.ttl >= now-rec.lastActivity && (rec.end == 0 || rec.end >= now)
}

func (rec *session) wipeAt() int64 {
	return store.WipeAt(rec.lastActivity, rec.ttl, rec.noResave, rec.end)
}

// answer returns the session as a read at now answers it.
func (rec *session) answer(now int64) store.Session {
	s := store.Session{
		ID:       rec.id(),
		IP:       rec.ip(),
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

// details returns what the session is answered with beside that. asked is the token that
// it was asked by, which may be an old one, and t is that packed, or nil: where that is
// the first token, its text need not be made.
func (rec *session) details(asked string, t *token) store.Details {
	d := store.Details{First: rec.first(), Created: int64(rec.created), Expires: rec.lastActivity + rec.ttl}
	if d.First == "" {
		if d.First = asked; t == nil || *t != rec.token {
			d.First = rec.token.String()
		}
	}
	if rec.end != 0 {
		d.Expires = min(d.Expires, rec.end)
	}
	return d
}

// join returns texts as one string in new memory, also when all but one are empty.
func join(texts ...string) string {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	var text strings.Builder
	text.Grow(size)
	for _, t := range texts {
		text.WriteString(t)
	}
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

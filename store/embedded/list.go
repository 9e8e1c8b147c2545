package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"math"
	"slices"

	"rest-sessions/store"
)

const (
	// scanStep is how many sessions a listing notes while it holds a shard's
	// lock: some 10 microseconds.
	scanStep = 256
	// chunkLen is the most sessions in a chunk.
	chunkLen = 200
)

// entry is what a listing remembers of a session: 24 bytes, so that the order
// over a million is 24 MB.
type entry struct {
	lastActivity int64
	// place is the first 56 bits of the token, then the 8 of the shard's number.
	place        uint64
	slot, serial uint32
}

func (sh *shard) entry(slot uint32, shardNumber int) entry {
	rec := sh.sessions.at(slot)
	start := binary.BigEndian.Uint64(rec.token[:])
	return entry{rec.lastActivity, start&^0xff | uint64(shardNumber), slot, uint32(rec.serial)}
}

func (e entry) shardNumber() int { return int(e.place & 0xff) }

// SessionsOfApp lists the sessions of an app that were active in the last dt
// seconds. It takes the order at once, before it returns; a session's values are
// those of when its chunk is made, and one that has gone by then is left out.
func (s *Store) SessionsOfApp(ctx context.Context, app string, dt int64) store.List {
	p := &list{store: s}
	p.entries, p.err = s.entriesOfApp(ctx, app, s.now()-dt)
	if p.err == nil {
		p.err = s.order(ctx, &p.entries)
	}
	return p
}

func (s *Store) entriesOfApp(ctx context.Context, app string, since int64) (all []entry, err error) {
	k := s.key(app, "")
	step := make([]entry, 0, scanStep)
	var seen slotSet
	for i := range s.shards {
		sh := &s.shards[i]
		seen.clear()
		for from := math.MaxInt; from >= 0; {
			if err := ended(ctx); err != nil {
				return nil, err
			}
			sh.mu.Lock()
			step, from = sh.scanApp(k, app, since, s.now(), i, from, &seen, step[:0])
			sh.mu.Unlock()
			all = append(all, step...) // may copy megabytes, so not under the lock
			if from >= 0 {
				yield()
			}
		}
	}
	return all, nil
}

// scanApp appends to out a step of the app's live sessions that were active at
// since or later, and returns the index to go on at, see eachOfApp.
func (sh *shard) scanApp(k key, name string, since, now int64, number, from int, seen *slotSet, out []entry) ([]entry, int) {
	from = sh.eachOfApp(k, name, now, from, seen, func(slot uint32) {
		if sh.sessions.at(slot).lastActivity >= since {
			out = append(out, sh.entry(slot, number))
		}
	})
	return out, from
}

// eachOfApp calls see with the slots of a step of the app's live sessions, from index from
// of its list downwards, and returns the index to go on at, -1 at the end. It meets every
// session that stays, for the reason given at killApp; seen keeps it from meeting one twice
// that moves down. A slot that changed hands is passed over too: its new session came
// after the start.
func (sh *shard) eachOfApp(k key, name string, now int64, from int, seen *slotSet, see func(slot uint32)) int {
	_, a := sh.app(k, name)
	if a == nil {
		return -1
	}
	from = min(from, a.sessions.n-1)
	for end := from - scanStep; from >= 0 && from > end; from-- {
		slot := *a.sessions.at(from)
		if seen.add(slot) && sh.sessions.at(slot).alive(now) {
			see(slot)
		}
	}
	return from
}

// order sorts entries, latest first, then by token, descending. It drops those
// that have gone and that it must ask for their full token.
func (s *Store) order(ctx context.Context, entries *[]entry) error {
	if err := ended(ctx); err != nil {
		return err
	}
	all := *entries
	slices.SortFunc(all, func(a, b entry) int {
		if c := cmp.Compare(b.lastActivity, a.lastActivity); c != 0 {
			return c
		}
		return cmp.Compare(b.place, a.place)
	})
	kept := all[:0]
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].lastActivity == all[i].lastActivity && all[end].place>>8 == all[i].place>>8 {
			end++
		}
		if end == i+1 {
			kept = append(kept, all[i])
		} else {
			kept = s.appendByToken(kept, all[i:end])
		}
		i = end
	}
	*entries = kept
	return ended(ctx)
}

// appendByToken appends to kept those of ties that are still there, by their
// full tokens. With tokens that are random it sees one pair in 2^55.
func (s *Store) appendByToken(kept, ties []entry) []entry {
	type named struct {
		token token
		entry entry
	}
	var all []named
	for _, e := range ties {
		sh := &s.shards[e.shardNumber()]
		sh.mu.Lock()
		if rec := sh.at(e.slot, e.serial); rec != nil {
			all = append(all, named{rec.token, e})
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b named) int { return slices.Compare(b.token[:], a.token[:]) })
	for _, n := range all {
		kept = append(kept, n.entry)
	}
	return kept
}

// SessionsOfID lists a user's sessions, latest created first. As SessionsOfApp it
// notes at once which there are.
func (s *Store) SessionsOfID(ctx context.Context, app, id string) store.List {
	p := &list{store: s}
	p.entries, p.err = s.entriesOfUser(ctx, app, id)
	return p
}

func (s *Store) entriesOfUser(ctx context.Context, app, id string) (all []entry, err error) {
	k := s.key(app, id)
	number := shardOf(store.Bucket(id))
	sh := &s.shards[number]
	step := make([]entry, 0, scanStep)
	for more := true; more; {
		if err := ended(ctx); err != nil {
			return nil, err
		}
		sh.mu.Lock()
		all, step, more = sh.scanUser(k, app, id, number, all, step[:0])
		sh.mu.Unlock()
		all = append(all, step...)
		if more {
			yield()
		}
	}
	return all, nil
}

// scanUser appends to out a step of the user's sessions, older than those in seen,
// which it returns without those at its end that have gone.
//
// The sessions are a ring that grows only at its newest. So the one after the last
// of seen that is still there is the first not seen: those between have gone.
func (sh *shard) scanUser(k key, appName, id string, number int, seen, out []entry) (still, step []entry, more bool) {
	var slot, newest uint32
	for looked := 0; slot == 0 && len(seen) > 0; looked++ {
		if looked == scanStep {
			return seen, out, true
		}
		last := seen[len(seen)-1]
		rec := sh.at(last.slot, last.serial)
		if rec == nil {
			seen = seen[:len(seen)-1]
			continue
		}
		slot, newest = rec.older, sh.users.at(rec.user).newest
		if slot == newest {
			return seen, out, false
		}
	}
	if slot == 0 {
		_, u := sh.user(k, appName, id)
		if u == nil {
			return seen, out, false
		}
		slot, newest = u.newest, u.newest
	}
	for len(out) < scanStep {
		out = append(out, sh.entry(slot, number))
		if slot = sh.sessions.at(slot).older; slot == newest {
			return seen, out, false
		}
	}
	return seen, out, true
}

// list hands out the sessions behind entries.
type list struct {
	store   *Store
	entries []entry // those still to come
	chunk   []store.Session
	err     error
}

func (p *list) Next(ctx context.Context) ([]store.Session, error) {
	if p.chunk == nil {
		p.chunk = make([]store.Session, 0, min(chunkLen, len(p.entries)))
	}
	p.chunk = p.chunk[:0]
	for p.err == nil && len(p.chunk) == 0 {
		if p.err = ended(ctx); p.err != nil {
			break
		}
		n := min(chunkLen, len(p.entries))
		if n == 0 {
			p.err = io.EOF
		}
		for _, e := range p.entries[:n] {
			p.add(e)
		}
		p.entries = p.entries[n:]
	}
	if p.err != nil {
		p.entries, p.chunk = nil, nil
		return nil, p.err
	}
	return p.chunk, nil
}

func (p *list) add(e entry) {
	sh := &p.store.shards[e.shardNumber()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := p.store.now()
	if rec := sh.at(e.slot, e.serial); rec != nil && rec.alive(now) {
		s := rec.answer(now)
		s.Details = rec.details("", nil)
		p.chunk = append(p.chunk, s)
	}
}

// slotSet is a set of slot numbers.
type slotSet []uint64

func (set *slotSet) clear() { clear(*set) }

// add adds a slot and reports whether it was not there.
func (set *slotSet) add(slot uint32) bool {
	word, bit := int(slot/64), uint64(1)<<(slot%64)
	if word >= len(*set) {
		*set = append(*set, make([]uint64, word+1-len(*set))...)
	}
	if (*set)[word]&bit != 0 {
		return false
	}
	(*set)[word] |= bit
	return true
}

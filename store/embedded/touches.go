package embedded

import (
	"cmp"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// touchesLen is the most touches in an entry of the log. It takes about 2 ms to
	// collect and write them, for which changes wait.
	touchesLen = 8192
	// touchStep is how many are collected while a shard's lock is held.
	touchStep = 64
	// logSlack and logEntries are how many touches, beside two a session, and how
	// many entries the log may have before it is made anew.
	logSlack   = 1 << 16
	logEntries = 1000
)

// touch is what reads change of a session, and Touch if it changes no end. In the log it
// takes some six bytes; the record would take a page of 4 KiB. The latest touch of a session
// counts, if it is later than the record: reads and last activity only grow. So neither
// order nor duplicates matter.
type touch struct {
	serial          uint64
	lastActivity, r int64
}

// later reports whether the touch is later than this state of its session.
func (t touch) later(r, lastActivity int64) bool {
	return cmp.Or(cmp.Compare(t.r, r), cmp.Compare(t.lastActivity, lastActivity)) > 0
}

// apply brings a session up to the touch.
func (t touch) apply(rec *session) {
	if !t.later(rec.r, rec.lastActivity) {
		return
	}
	rec.r = t.r
	if idle := t.lastActivity - rec.lastActivity; idle > 0 {
		rec.lastActivity = t.lastActivity
		if rec.noResave {
			rec.ttl -= idle
		}
	}
}

// appendTouches appends the text of a log entry. Numbers are the differences to
// the touch before, which are small for all but the serials.
func appendTouches(b []byte, touches []touch) []byte {
	var last touch
	for _, t := range touches {
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(int64(t.serial-last.serial)))
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(t.lastActivity-last.lastActivity))
		b = protowire.AppendVarint(b, uint64(t.r))
		last = t
	}
	return b
}

// parseTouches calls f for each touch of a log entry.
func parseTouches(b []byte, f func(touch)) error {
	var t touch
	for len(b) > 0 {
		var v [3]uint64
		for i := range v {
			n := 0
			if v[i], n = protowire.ConsumeVarint(b); n < 0 {
				return errRecord
			}
			b = b[n:]
		}
		t.serial += uint64(protowire.DecodeZigZag(v[0]))
		t.lastActivity += protowire.DecodeZigZag(v[1])
		t.r = int64(v[2])
		f(t)
	}
	return nil
}

// markTouched notes that a read changed the session in slot. There is a bit for
// each, so a Get has nothing to allocate and nobody to wait for.
func (sh *shard) markTouched(slot uint32) {
	if sh.journal != nil {
		sh.touched[slot>>slotBits] |= 1 << (slot & slabLen)
	}
}

// makeRoomForTouches lets markTouched mark each session of the shard.
func (sh *shard) makeRoomForTouches() {
	if n := len(sh.sessions.slabs) - len(sh.touched); n > 0 {
		sh.touched = append(sh.touched, make([]uint64, n)...)
	}
}

// collect appends to out a step of the touched sessions, from a slab on, and
// returns the slab to go on at. With all it takes those that were active since their
// creation.
func (sh *shard) collect(slab int, all bool, out []touch) ([]touch, int) {
	for start := len(out); slab < len(sh.touched) && len(out)-start < touchStep; slab++ {
		marked := sh.touched[slab]
		ref := &sh.sessions.slabs[slab]
		used := ^ref.free &^ 1
		if all {
			marked = used
		}
		for marked &= used; marked != 0; marked &= marked - 1 {
			rec := &ref.records[bits.TrailingZeros64(marked)-1]
			if rec.r > 1 || rec.lastActivity > int64(rec.created) {
				out = append(out, touch{rec.serial, rec.lastActivity, rec.r})
			}
		}
		sh.touched[slab] = 0
	}
	return out, slab
}

// touchLog writes the touches of all shards to the log, in passes. Its methods are
// for the journal's goroutine.
type touchLog struct {
	store *Store
	// A pass is under way; all is for one that takes every session, after which
	// what was in the log before, up to number first, can be forgotten.
	passing, all bool
	first        uint64
	shard, slab  int
	found        []touch
	// next is the number of the next entry; entries and touches are how much the
	// log holds.
	next, oldest uint64
	touches      int
	ofPass       int
}

// begin begins a pass unless one is under way.
func (l *touchLog) begin() {
	if l.passing {
		return
	}
	l.passing, l.shard, l.slab, l.ofPass = true, 0, 0, 0
	l.all = l.touches > 2*l.store.Len()+logSlack || l.next-l.oldest > logEntries
	l.first = l.next
}

// collect goes on with the pass. It appends an entry to text, which stays empty if
// there is nothing to write, and returns up to which number the log can be
// forgotten once that is written.
func (l *touchLog) collect(text []byte) (entry []byte, forget uint64) {
	l.found = l.found[:0]
	for l.shard < shards && len(l.found) < touchesLen {
		sh := &l.store.shards[l.shard]
		sh.mu.Lock()
		l.found, l.slab = sh.collect(l.slab, l.all, l.found)
		ended := l.slab >= len(sh.touched)
		sh.mu.Unlock()
		if ended {
			l.shard, l.slab = l.shard+1, 0
		}
	}
	if len(l.found) > 0 {
		text = appendTouches(text, l.found)
		l.next++
		l.touches += len(l.found)
		l.ofPass += len(l.found)
	}
	if l.shard == shards {
		l.passing = false
		if l.all {
			forget, l.oldest, l.touches = l.first, l.first, l.ofPass
		}
	}
	return text, forget
}

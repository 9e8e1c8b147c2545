package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

const (
	// maxBatch bounds the reads of one script call, so that none holds Redis for
	// more than about a millisecond (a read costs it 4 to 8 us).
	maxBatch = 128
	// batchBytes bounds the reply of a batch, by the mean size of late: sessions
	// with much data go in smaller batches.
	batchBytes = 256 << 10
)

// reader makes batches of concurrent reads: each flight of its lane is one script
// call, or on a Redis Cluster one for each bucket of an app, all in one go. Reads of one
// session in a batch are one read to Redis, counted as many.
type reader struct {
	s        *Store
	sharded  bool // whether its keys are of the sharded layout
	detailed bool // whether its sessions come with details
	lane     lane[*read, readCargo]
	meanSize atomic.Int64 // bytes of a read's reply, of late
	reads    sync.Pool    // of *read
}

// read is one Get on its way.
type read struct {
	seat
	key       []byte // of the session's hash
	prefixEnd int    // where the token begins in key
	// twin is the next read of the same session in the batch, nil for the last.
	twin *read
	// session and err are the answer.
	session store.Session
	err     error
}

// readCargo is what a batch sends, and what came back.
type readCargo struct {
	// firsts are the first reads of each session, in the order of the script's
	// keys; last and count are of each, the last of its reads and how many.
	firsts []*read
	last   []*read
	count  []int
	table  [2 * maxBatch]uint8 // of firsts, by hash of their keys; 0 is none
	counts []byte
	calls  []readCall
}

// readCall is the script call for some of the firsts.
type readCall struct {
	command
	first, end int // of firsts
	text       string
	err        error
}

var keySeed = maphash.MakeSeed()

func newReader(s *Store, sharded, detailed bool) *reader {
	r := &reader{s: s, sharded: sharded, detailed: detailed}
	r.reads.New = func() any { return &read{seat: newSeat()} }
	r.lane = lane[*read, readCargo]{most: r.most, send: r.send, answer: r.answer, timeout: s.timeout, circuit: s.circuit}
	return r
}

// get reads a session with the next batch. b is its bucket in the sharded layout.
func (r *reader) get(ctx context.Context, l layout.Layout, b layout.Bucket, app, token string) (store.Session, error) {
	q := r.reads.Get().(*read)
	if q.key = q.key[:0]; r.sharded {
		q.key = append(q.key, b.Prefix...)
	} else {
		q.key = append(append(append(q.key, l.NS...), app...), ':')
	}
	q.prefixEnd = len(q.key)
	q.key = append(q.key, token...)
	if err := r.lane.ride(ctx, q); err != nil {
		return store.Session{}, err
	}
	session, err := q.session, q.err
	if r.detailed && err == nil && session.First == "" {
		session.First = strings.Clone(token)
	}
	if err == nil || err == store.ErrNotFound {
		q.session, q.err = store.Session{}, nil
		r.reads.Put(q)
	} // else rueidis may still hold the key
	return session, err
}

// most is how many reads go in a batch.
func (r *reader) most() int {
	if size := r.meanSize.Load(); size > 0 {
		return max(1, min(maxBatch, int(batchBytes/size)))
	}
	return maxBatch
}

// flags are what get.lua is to know.
func (r *reader) flags() string {
	flags := ""
	if r.s.eviction.can.Load() {
		flags = "e"
	}
	if r.detailed {
		flags += "d"
	}
	return flags
}

// prefix returns what the keys of the read's bucket begin with.
func (q *read) prefix() []byte { return q.key[:q.prefixEnd] }

// gather finds the reads of one session and sorts the firsts by prefix.
func (c *readCargo) gather(reads []*read) {
	c.firsts, c.last, c.count = c.firsts[:0], c.last[:0], c.count[:0]
	clear(c.table[:])
	mixed := false
	for _, q := range reads {
		q.twin = nil
		slot := maphash.Bytes(keySeed, q.key) % uint64(len(c.table))
		for c.table[slot] != 0 && !bytes.Equal(c.firsts[c.table[slot]-1].key, q.key) {
			slot = (slot + 1) % uint64(len(c.table))
		}
		if i := c.table[slot]; i != 0 {
			c.last[i-1].twin = q
			c.last[i-1] = q
			continue
		}
		mixed = mixed || len(c.firsts) > 0 && !bytes.Equal(q.prefix(), c.firsts[0].prefix())
		c.firsts, c.last = append(c.firsts, q), append(c.last, q)
		c.table[slot] = uint8(len(c.firsts))
	}
	if mixed {
		slices.SortStableFunc(c.firsts, func(x, y *read) int { return bytes.Compare(x.prefix(), y.prefix()) })
	}
	for _, q := range c.firsts {
		n := 1
		for q = q.twin; q != nil; q = q.twin {
			n++
		}
		c.count = append(c.count, n)
	}
}

// prepare makes the calls for the firsts; flags are as get.lua has them.
func (c *readCargo) prepare(l layout.Layout, get *script, flags string) {
	c.calls = c.calls[:0]
	for i := 0; i < len(c.firsts); {
		first := i
		prefix := string(c.firsts[i].prefix())
		if len(c.calls) == 0 || l.Sharded() {
			n := len(c.calls)
			c.calls = slices.Grow(c.calls, 1)[:n+1] // with what it has for keys and args
			call := &c.calls[n]
			call.script, call.first, call.text, call.err = get, i, "", nil
			call.keys, call.args = append(call.keys[:0], l.WipeOf(prefix)), call.args[:0]
		}
		call := &c.calls[len(c.calls)-1]
		call.keys = append(call.keys, prefix+"_sessions", prefix+"_users")
		c.counts = c.counts[:0]
		more := false // whether a session is read more than once
		for ; i < len(c.firsts) && string(c.firsts[i].prefix()) == prefix; i++ {
			call.keys = append(call.keys, unsafe.String(&c.firsts[i].key[0], len(c.firsts[i].key)))
			c.counts = append(strconv.AppendInt(c.counts, int64(c.count[i]), 10), ' ')
			more = more || c.count[i] > 1
		}
		if !more {
			c.counts = c.counts[:0]
		}
		call.args = append(call.args, l.AppOf(prefix), strconv.Itoa(i-first), string(c.counts))
		if call.end = i; l.Sharded() {
			call.keys = append(call.keys, layout.Missing(prefix)) // see Keyspace.Guard
		}
	}
	if flags != "" {
		for i := range c.calls {
			c.calls[i].args = append(c.calls[i].args, flags)
		}
	}
}

// send runs the script for the reads of f. It has no deadline, since each caller
// has one (see lane.expire); it ends at the latest when rueidis gives up a silent
// connection.
func (r *reader) send(f *flight[*read, readCargo]) {
	c := &f.cargo
	c.gather(f.passengers) // answer needs it, whatever comes
	conn, err := r.s.connector.current(context.Background())
	if err == nil && conn.layout.Sharded() != r.sharded {
		err = errOtherLayout
	}
	if err != nil {
		c.calls = append(c.calls[:0], readCall{end: len(c.firsts), err: err})
		return
	}
	c.prepare(conn.layout, r.s.scripts.get, r.flags())
	start := time.Now()
	if ctx := context.Background(); len(c.calls) == 1 {
		call := &c.calls[0]
		call.take(call.script.Exec(ctx, conn.client, call.keys, call.args).ToMessage())
	} else {
		commands := make([]command, len(c.calls))
		for i := range c.calls {
			commands[i] = c.calls[i].command
		}
		for i, result := range send(ctx, conn.client, commands) {
			c.calls[i].take(result.ToMessage())
		}
	}
	r.s.watch.RoundTrip(time.Since(start))
	for i := range c.calls {
		call := &c.calls[i]
		reads := 0
		for _, n := range c.count[call.first:call.end] {
			reads += n
		}
		r.s.watch.Batch(reads)
		switch {
		case slotIsMoving(call.err): // answer has them go again
		case call.err != nil && !errors.Is(call.err, errReply):
			r.s.note(call.err)
			r.s.connector.heed(conn, call.err)
			call.err, f.lost = classify(call.err), true
		default:
			r.s.note(nil)
			r.s.writes.wrote(start)
			// A moving mean over some eight batches. (A lost update of it does no harm.)
			mean := r.meanSize.Load()
			r.meanSize.Store(mean + (int64(len(call.text)/(call.end-call.first))-mean)/8)
		}
	}
}

// take takes in a reply.
func (c *readCall) take(reply rueidis.RedisMessage, err error) {
	if c.err = err; err == nil {
		if c.text, err = reply.ToString(); err != nil {
			c.err = fmt.Errorf("%w: %w", errReply, err)
		}
	}
}

// answer hands out what the replies say of each of the reads.
func (r *reader) answer(f *flight[*read, readCargo]) {
	c := &f.cargo
	for i := range c.calls {
		r.answerCall(c.firsts, &c.calls[i])
	}
	clear(c.firsts)
	clear(c.last)
}

func (r *reader) answerCall(firsts []*read, call *readCall) {
	again := slotIsMoving(call.err)
	text := call.text
	for _, q := range firsts[call.first:call.end] {
		q.again = again
		if q.err = call.err; q.err == nil {
			q.session, text, q.err = cutSession(text)
		}
		// The script counted the reads of a session one after the other.
		for twin := q.twin; twin != nil; twin = q.twin {
			twin.again = again
			if twin.session, twin.err = q.session, q.err; q.err == nil {
				twin.session.R++
				twin.session.Idle = 0
			}
			q.twin, q = nil, twin
		}
	}
	if text != "" && call.err == nil {
		r.s.logf("error: %v: %d bytes after the last session of a batch", errReply, len(text))
	}
	call.text, call.err = "", nil
}

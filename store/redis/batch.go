package redis

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"rest-sessions/store"
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
// call. Reads of one session in a batch are one read to Redis, counted as many.
type reader struct {
	s        *Store
	lane     lane[*read, readCargo]
	meanSize atomic.Int64 // bytes of a read's reply, of late
	reads    sync.Pool    // of *read
}

// read is one Get on its way.
type read struct {
	seat
	key    []byte // ns:app:token
	appEnd int    // where the app ends in key
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
	firsts     []*read
	last       []*read
	count      []int
	table      [2 * maxBatch]uint8 // of firsts, by hash of their keys; 0 is none
	counts     []byte
	keys, args []string
	text       string
	err        error
}

var keySeed = maphash.MakeSeed()

func newReader(s *Store) *reader {
	r := &reader{s: s}
	r.reads.New = func() any { return &read{seat: newSeat()} }
	r.lane = lane[*read, readCargo]{most: r.most, send: r.send, answer: r.answer, timeout: s.timeout}
	return r
}

// get reads a session with the next batch.
func (r *reader) get(ctx context.Context, app, token string) (store.Session, error) {
	q := r.reads.Get().(*read)
	q.key = append(append(append(append(q.key[:0], r.s.keys.ns...), app...), ':'), token...)
	q.appEnd = len(r.s.keys.ns) + len(app)
	if err := r.lane.ride(ctx, q); err != nil {
		return store.Session{}, err
	}
	session, err := q.session, q.err
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

// app returns the part of the key up to the app's end: equal for equal apps.
func (q *read) app() []byte { return q.key[:q.appEnd] }

// gather finds the reads of one session and sorts the firsts by app.
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
		mixed = mixed || len(c.firsts) > 0 && !bytes.Equal(q.app(), c.firsts[0].app())
		c.firsts, c.last = append(c.firsts, q), append(c.last, q)
		c.table[slot] = uint8(len(c.firsts))
	}
	if mixed {
		slices.SortStableFunc(c.firsts, func(x, y *read) int { return bytes.Compare(x.app(), y.app()) })
	}
	for _, q := range c.firsts {
		n := 1
		for q = q.twin; q != nil; q = q.twin {
			n++
		}
		c.count = append(c.count, n)
	}
}

// send runs the script for the reads of f. It has no deadline, since each caller
// has one (see lane.expire); it ends at the latest when rueidis gives up a silent
// connection.
func (r *reader) send(f *flight[*read, readCargo]) {
	c := &f.cargo
	c.gather(f.passengers) // answer needs it, whatever comes
	conn, err := r.s.connector.current(context.Background())
	if err != nil {
		c.text, c.err = "", err
		return
	}
	c.keys = append(c.keys[:0], r.s.keys.wipe())
	c.args = c.args[:0]
	for i := 0; i < len(c.firsts); {
		first := i
		app := string(c.firsts[i].app()[len(r.s.keys.ns):])
		c.keys = append(c.keys, r.s.keys.sessions(app), r.s.keys.users(app))
		c.counts = c.counts[:0]
		more := false // whether a session is read more than once
		for ; i < len(c.firsts) && bytes.Equal(c.firsts[i].app(), c.firsts[first].app()); i++ {
			c.keys = append(c.keys, unsafe.String(&c.firsts[i].key[0], len(c.firsts[i].key)))
			c.counts = append(strconv.AppendInt(c.counts, int64(c.count[i]), 10), ' ')
			more = more || c.count[i] > 1
		}
		if !more {
			c.counts = c.counts[:0]
		}
		c.args = append(c.args, app, strconv.Itoa(i-first), string(c.counts))
	}
	start := time.Now()
	reply, err := r.s.scripts.get.Exec(context.Background(), conn.client, c.keys, c.args).ToMessage()
	r.s.watch.RoundTrip(time.Since(start))
	r.s.watch.Batch(len(f.passengers))
	r.s.note(err)
	if err != nil {
		r.s.connector.heed(conn, err)
		c.text, c.err, f.lost = "", classify(err), true
		return
	}
	if c.text, err = reply.ToString(); err != nil {
		c.err = fmt.Errorf("%w: %w", errReply, err)
		return
	}
	c.err = nil
	// A moving mean over some eight batches. (A lost update of it does no harm.)
	mean := r.meanSize.Load()
	r.meanSize.Store(mean + (int64(len(c.text)/len(c.firsts))-mean)/8)
}

// answer hands out what a batch's reply says of each of its reads.
func (r *reader) answer(f *flight[*read, readCargo]) {
	c := &f.cargo
	text := c.text
	for _, q := range c.firsts {
		if q.err = c.err; q.err == nil {
			q.session, text, q.err = cutSession(text)
		}
		// The script counted the reads of a session one after the other.
		for twin := q.twin; twin != nil; twin = q.twin {
			if twin.session, twin.err = q.session, q.err; q.err == nil {
				twin.session.R++
				twin.session.Idle = 0
			}
			q.twin, q = nil, twin
		}
	}
	if text != "" && c.err == nil {
		r.s.logf("%v: %d bytes after the last session of a batch", errReply, len(text))
	}
	c.text, c.err = "", nil
	clear(c.firsts)
	clear(c.last)
}

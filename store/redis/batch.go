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
	"rest-sessions/store/redis/internal/wire"
)

const (
	// maxBatch bounds the reads of one script call, so that none holds Redis for
	// more than about a millisecond (a read costs it 4 to 8 us).
	maxBatch = 128
	// batchBytes bounds the reply of a batch, by the mean size of late: sessions
	// with much data go in smaller batches.
	batchBytes = 256 << 10
)

// readers of a group of slots: detailed are those that want a session's details.
type readers struct{ plain, detailed *reader }

func newReaders(s *Store, watch Observer, sharded bool) readers {
	return readers{newReader(s, watch, sharded, false), newReader(s, watch, sharded, true)}
}

// reader makes batches of concurrent reads: each batch is one script call, or on a Redis
// Cluster one for each bucket of an app, all in one go. Reads of one session in a batch
// are one read to Redis, counted as many.
type reader struct {
	s        *Store
	watch    Observer
	sharded  bool // whether its keys are of the sharded layout
	detailed bool // whether its sessions come with details
	batcher  *wire.Batcher[*read, readPayload]
	meanSize atomic.Int64 // bytes of a read's reply, of late
	reads    sync.Pool    // of *read
}

// readBatch is a batch of reads.
type readBatch = wire.Batch[*read, readPayload]

// read is one Get in flight.
type read struct {
	wire.Wait
	key       []byte // of the session's hash
	prefixEnd int    // where the token begins in key
	// duplicate is the next read of the same session in the batch, nil for the last.
	duplicate *read
	// session and err are the answer.
	session store.Session
	err     error
}

// readPayload is what a batch sends, and what came back.
type readPayload struct {
	// unique are the first reads of each session, in the order of the script's
	// keys; last and count are of each, the last of its reads and how many.
	unique []*read
	last   []*read
	count  []int
	table  [2 * maxBatch]uint8 // of unique, by hash of their keys; 0 is none
	counts []byte
	calls  []readCall
}

// readCall is the script call for some of the unique reads.
type readCall struct {
	wire.Command
	first, end int // of unique
	text       string
	err        error
}

var keySeed = maphash.MakeSeed()

func newReader(s *Store, watch Observer, sharded, detailed bool) *reader {
	r := &reader{s: s, watch: watch, sharded: sharded, detailed: detailed}
	r.reads.New = func() any { return &read{Wait: wire.NewWait()} }
	r.batcher = wire.NewBatcher(s.client, r.most, r.send, r.answer)
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
	if err := r.batcher.Do(ctx, q); err != nil {
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

// gather finds the reads of one session and sorts the unique ones by prefix.
func (c *readPayload) gather(reads []*read) {
	c.unique, c.last, c.count = c.unique[:0], c.last[:0], c.count[:0]
	clear(c.table[:])
	mixed := false
	for _, q := range reads {
		q.duplicate = nil
		slot := maphash.Bytes(keySeed, q.key) % uint64(len(c.table))
		for c.table[slot] != 0 && !bytes.Equal(c.unique[c.table[slot]-1].key, q.key) {
			slot = (slot + 1) % uint64(len(c.table))
		}
		if i := c.table[slot]; i != 0 {
			c.last[i-1].duplicate = q
			c.last[i-1] = q
			continue
		}
		mixed = mixed || len(c.unique) > 0 && !bytes.Equal(q.prefix(), c.unique[0].prefix())
		c.unique, c.last = append(c.unique, q), append(c.last, q)
		c.table[slot] = uint8(len(c.unique))
	}
	if mixed {
		slices.SortStableFunc(c.unique, func(x, y *read) int { return bytes.Compare(x.prefix(), y.prefix()) })
	}
	for _, q := range c.unique {
		n := 1
		for q = q.duplicate; q != nil; q = q.duplicate {
			n++
		}
		c.count = append(c.count, n)
	}
}

// prepare makes the calls for the unique reads; flags are as get.lua has them.
func (c *readPayload) prepare(l layout.Layout, get *wire.Script, flags string) {
	c.calls = c.calls[:0]
	for i := 0; i < len(c.unique); {
		first := i
		prefix := string(c.unique[i].prefix())
		if len(c.calls) == 0 || l.Sharded() {
			n := len(c.calls)
			c.calls = slices.Grow(c.calls, 1)[:n+1] // with what it has for keys and args
			call := &c.calls[n]
			call.Script, call.first, call.text, call.err = get, i, "", nil
			call.Keys, call.Args = append(call.Keys[:0], l.WipeOf(prefix)), call.Args[:0]
		}
		call := &c.calls[len(c.calls)-1]
		call.Keys = append(call.Keys, prefix+"_sessions", prefix+"_users")
		c.counts = c.counts[:0]
		more := false // whether a session is read more than once
		for ; i < len(c.unique) && string(c.unique[i].prefix()) == prefix; i++ {
			call.Keys = append(call.Keys, unsafe.String(&c.unique[i].key[0], len(c.unique[i].key)))
			c.counts = append(strconv.AppendInt(c.counts, int64(c.count[i]), 10), ' ')
			more = more || c.count[i] > 1
		}
		if !more {
			c.counts = c.counts[:0]
		}
		call.Args = append(call.Args, l.AppOf(prefix), strconv.Itoa(i-first), string(c.counts))
		if call.end = i; l.Sharded() {
			call.Keys = append(call.Keys, layout.Missing(prefix)) // see Keyspace.Guard
		}
	}
	if flags != "" {
		for i := range c.calls {
			c.calls[i].Args = append(c.calls[i].Args, flags)
		}
	}
}

// send runs the script for the reads of a batch. It has no deadline, since each caller
// has one (see Batcher.Do); it ends at the latest when rueidis gives up a silent
// connection.
func (r *reader) send(b *readBatch) {
	c, client := &b.Payload, r.s.client
	c.gather(b.Waiters) // answer needs it, whatever comes
	ctx := context.Background()
	conn, err := client.Current(ctx)
	if err == nil && conn.Layout.Sharded() != r.sharded {
		err = wire.ErrOtherLayout
	}
	if err != nil {
		c.calls = append(c.calls[:0], readCall{end: len(c.unique), err: err})
		return
	}
	c.prepare(conn.Layout, r.s.scripts.get, r.flags())
	start := time.Now()
	if len(c.calls) == 1 {
		call := &c.calls[0]
		call.take(call.Do(ctx, conn.Client))
	} else {
		commands := make([]wire.Command, len(c.calls))
		for i := range c.calls {
			commands[i] = c.calls[i].Command
		}
		for i, result := range wire.Send(ctx, conn.Client, commands) {
			c.calls[i].take(result.ToMessage())
		}
	}
	client.Observer.RoundTrip(time.Since(start))
	for i := range c.calls {
		call := &c.calls[i]
		reads := 0
		for _, n := range c.count[call.first:call.end] {
			reads += n
		}
		r.watch.Batch(reads)
		switch {
		case wire.SlotIsMoving(call.err): // answer sets Retry
		case call.err != nil && !errors.Is(call.err, errReply):
			call.err, b.InUse = client.Outcome(conn, call.err), true
		default:
			client.Outcome(conn, nil)
			client.Wrote(start)
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
func (r *reader) answer(b *readBatch) {
	c := &b.Payload
	for i := range c.calls {
		r.answerCall(c.unique, &c.calls[i])
	}
	clear(c.unique)
	clear(c.last)
}

func (r *reader) answerCall(unique []*read, call *readCall) {
	retry := wire.SlotIsMoving(call.err)
	text := call.text
	for _, q := range unique[call.first:call.end] {
		q.Retry = retry
		if q.err = call.err; q.err == nil {
			q.session, text, q.err = cutSession(text)
		}
		// The script counted the reads of a session one after the other.
		for next := q.duplicate; next != nil; next = q.duplicate {
			next.Retry = retry
			if next.session, next.err = q.session, q.err; q.err == nil {
				next.session.R++
				next.session.Idle = 0
			}
			q.duplicate, q = nil, next
		}
	}
	if text != "" && call.err == nil {
		r.s.logf("error: %v: %d bytes after the last session of a batch", errReply, len(text))
	}
	call.text, call.err = "", nil
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
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

// send runs the script for the reads of a batch. It has no deadline, since each caller
// has one (see Batcher.Do); it ends at the latest when rueidis gives up a silent
// connection.
func (r *reader) send(b *readBatch) {
	c, client := &b.Payload, r.s.client
	c.gather(b.Waiters) // answer needs it, whatever comes
	ctx := b.Context()
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
func (c *readCall) take(message rueidis.RedisMessage, err error) {
	if c.err = err; err == nil {
		if c.text, err = message.ToString(); err != nil {
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
			q.session, text, q.err = reply.CutSession(text)
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

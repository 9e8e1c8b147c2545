package redis

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
	"rest-sessions/store/redis/internal/wire"
)

// readTime is how long a read of a small session holds Redis; one of readBytes twice that.
const (
	readTime  = 7 * time.Microsecond
	readBytes = 7 << 8
)

// readers of a group of slots: detailed are those that want a session's details.
type readers struct{ plain, detailed *reader }

func newReaders(s *Store, watch Observer, sharded bool) readers {
	return readers{newReader(s, watch, sharded, false), newReader(s, watch, sharded, true)}
}

// reader makes batches of concurrent reads. Reads of one session in a batch are one read
// to Redis, counted as many.
type reader struct {
	batches  *batches[*read]
	watch    Observer
	detailed bool      // whether its sessions come with details
	reads    sync.Pool // of *read
}

// readBatch is a batch of reads.
type readBatch = wire.Batch[*read, payload[*read]]

// read is one Get in flight.
type read struct {
	wire.Wait
	key       []byte // of the session's hash
	prefixEnd int    // where the token begins in key
	// duplicate is the next read of the same session in the batch, nil for the last.
	// Of the first, last is the last of them, and count how many they are.
	duplicate, last *read
	count           int
	// session and err are the answer.
	session store.Session
	err     error
}

func newReader(s *Store, watch Observer, sharded, detailed bool) *reader {
	r := &reader{watch: watch, detailed: detailed}
	r.reads.New = func() any { return &read{Wait: wire.NewWait()} }
	r.batches = newBatches(s, r, s.scripts.get, sharded)
	return r
}

// get reads a session with the next batch. b is its bucket in the sharded layout.
func (r *reader) get(ctx context.Context, l layout.Layout, b layout.Bucket, app, token string) (store.Session, error) {
	q := r.reads.Get().(*read)
	if q.key = q.key[:0]; r.batches.sharded {
		q.key = append(q.key, b.Prefix...)
	} else {
		q.key = append(append(append(q.key, l.NS...), app...), ':')
	}
	q.prefixEnd = len(q.key)
	q.key = append(q.key, token...)
	if err := r.batches.batcher.Do(ctx, q); err != nil {
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

// prefix implements operation.
func (q *read) prefix() string { return unsafe.String(&q.key[0], q.prefixEnd) }

// least implements operation.
func (q *read) least() time.Duration { return 0 }

var keySeed = maphash.MakeSeed()

// unique implements kind: it finds the reads of one session.
func (r *reader) unique(ops, waiters []*read) []*read {
	var table [2 * maxBatch]uint8 // of ops, by hash of their keys; 0 is none
	for _, q := range waiters {
		q.duplicate, q.last, q.count = nil, q, 1
		slot := maphash.Bytes(keySeed, q.key) % uint64(len(table))
		for table[slot] != 0 && !bytes.Equal(ops[table[slot]-1].key, q.key) {
			slot = (slot + 1) % uint64(len(table))
		}
		if i := table[slot]; i != 0 {
			first := ops[i-1]
			first.last.duplicate, first.last = q, q
			first.count++
			continue
		}
		ops = append(ops, q)
		table[slot] = uint8(len(ops))
	}
	return ops
}

// common implements kind.
func (r *reader) common(args []string, _ string) []string {
	flags := ""
	if r.batches.s.eviction.can.Load() {
		flags = "e"
	}
	if r.detailed {
		flags += "d"
	}
	return append(args, flags)
}

// add implements kind.
func (r *reader) add(c *wire.Command, reads []*read) {
	more := false // whether a session is read more than once
	for _, q := range reads {
		c.Keys = append(c.Keys, unsafe.String(&q.key[0], len(q.key)))
		more = more || q.count > 1
	}
	var counts []byte
	if more {
		for _, q := range reads {
			counts = append(strconv.AppendInt(counts, int64(q.count), 10), ' ')
		}
	}
	c.Args = append(c.Args, string(counts))
}

// answer implements kind.
func (r *reader) answer(reads []*read, conn *wire.Conn, message rueidis.RedisMessage, err error) time.Duration {
	text := ""
	if err == nil {
		if text, err = message.ToString(); err != nil {
			err = fmt.Errorf("%w: %w", errReply, err)
		}
	}
	size, all := len(text), 0
	for _, q := range reads {
		all += q.count
		if q.err = outcome(&q.Wait, err); err == nil {
			q.session, text, q.err = reply.CutSession(text)
		}
		// The script counted the reads of a session one after the other.
		for next := q.duplicate; next != nil; next = q.duplicate {
			next.Retry = q.Retry
			if next.session, next.err = q.session, q.err; q.err == nil {
				next.session.R++
				next.session.Idle = 0
			}
			q.duplicate, q = nil, next
		}
	}
	if conn != nil {
		r.watch.Batch(all)
	}
	if text != "" && err == nil {
		r.batches.s.logf("error: %v: %d bytes after the last session of a batch", errReply, len(text))
	}
	return readTime + readTime*time.Duration(size/max(1, len(reads)))/readBytes
}

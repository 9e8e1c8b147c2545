package redis

import (
	"bytes"
	"cmp"
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
	"rest-sessions/store/redis/internal/near"
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

func newReaders(s *Store, watch Observer, sharded, kept bool) readers {
	if kept {
		// Those who want no details take what is kept for those who do.
		r := newReader(s, watch, sharded, true, true)
		return readers{r, r}
	}
	return readers{newReader(s, watch, sharded, false, false), newReader(s, watch, sharded, true, false)}
}

// reader makes batches of concurrent reads. Reads of one session in a batch are one read
// to Redis, counted as many.
type reader struct {
	batches  *batches[*read]
	watch    Observer
	detailed bool      // whether its sessions come with details
	kept     bool      // whether its answers are to be kept near
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
	// late are reads to be counted, too. Of one that is uncounted they are all.
	// Of the first, lates are those of all.
	late, lates near.Late
	uncounted   bool
	ticket      near.Ticket // what the answer is kept with
	// session and err are the answer.
	session store.Session
	err     error
}

func newReader(s *Store, watch Observer, sharded, detailed, kept bool) *reader {
	r := &reader{watch: watch, detailed: detailed, kept: kept}
	r.reads.New = func() any { return &read{Wait: wire.NewWait()} }
	r.batches = newBatches(s, r, s.scripts.get, sharded)
	return r
}

// get reads a session with the next batch. b is its bucket in the sharded layout.
func (r *reader) get(ctx context.Context, l layout.Layout, b layout.Bucket, app, token string) (store.Session, error) {
	cache := r.batches.s.near
	if cache != nil {
		if err := r.batches.s.client.Refused(); err != nil {
			return store.Session{}, err // the late reads of the session wait, and are not lost
		}
	}
	q := r.new(l, b, app, token)
	if cache != nil {
		q.ticket = cache.Ask(b, app, token)
		q.late = q.ticket.Late
	}
	late := q.late
	if err := r.batches.batcher.Do(ctx, q); err != nil {
		r.returnLate(app, token, late, err)
		return store.Session{}, err
	}
	session, err := q.session, q.err
	if r.detailed && err == nil && session.First == "" {
		session.First = strings.Clone(token)
	}
	r.returnLate(app, token, late, err)
	r.release(q)
	return session, err
}

// new makes the read of a session.
func (r *reader) new(l layout.Layout, b layout.Bucket, app, token string) *read {
	q := r.reads.Get().(*read)
	if q.key = q.key[:0]; r.batches.sharded {
		q.key = append(q.key, b.Prefix...)
	} else {
		q.key = append(append(append(q.key, l.NS...), app...), ':')
	}
	q.prefixEnd = len(q.key)
	q.key = append(q.key, token...)
	return q
}

// release gives back a read that was answered, unless rueidis may still hold the key.
func (r *reader) release(q *read) {
	if q.err == nil || q.err == store.ErrNotFound {
		q.session, q.err, q.late, q.uncounted, q.ticket = store.Session{}, nil, near.Late{}, false, near.Ticket{}
		r.reads.Put(q)
	}
}

// reads returns how many q is to be counted as, itself.
func (q *read) reads() int {
	if q.uncounted {
		return 0
	}
	return 1
}

// same reports whether two can be one read to Redis. One that is uncounted follows an old
// token for longer than one that counts.
func (q *read) same(other *read) bool {
	return q.uncounted == other.uncounted && bytes.Equal(q.key, other.key)
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
		q.duplicate, q.last, q.count, q.lates = nil, q, q.reads(), q.late
		slot := maphash.Bytes(keySeed, q.key) % uint64(len(table))
		for table[slot] != 0 && !ops[table[slot]-1].same(q) {
			slot = (slot + 1) % uint64(len(table))
		}
		if i := table[slot]; i != 0 {
			first := ops[i-1]
			first.last.duplicate, first.last = q, q
			first.count += q.count
			first.lates.Reads += q.late.Reads
			first.lates.At = max(first.lates.At, q.late.At)
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
	if r.kept {
		flags += "c"
	}
	return append(args, flags)
}

// add implements kind.
func (r *reader) add(c *wire.Command, reads []*read) {
	more := false // whether a session is read more than once
	for _, q := range reads {
		c.Keys = append(c.Keys, unsafe.String(&q.key[0], len(q.key)))
		more = more || q.count != 1 || q.lates.At > 0
	}
	var counts []byte
	if more {
		for _, q := range reads {
			counts = strconv.AppendInt(counts, int64(q.count), 10)
			if q.lates.At > 0 {
				counts = strconv.AppendInt(append(counts, '+'), int64(q.lates.Reads), 10)
				counts = strconv.AppendInt(append(counts, '@'), q.lates.At, 10)
			}
			counts = append(counts, ' ')
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
	var at time.Duration
	if r.kept && err == nil {
		at, text, err = cutTime(text)
	}
	size, all := len(text), 0
	for _, q := range reads {
		all += q.count
		if q.err = outcome(&q.Wait, err); err == nil {
			var more reply.Extra
			if q.session, more, text, q.err = reply.Cut(text); r.kept && q.err == nil {
				r.keep(q, conn.Layout, at, more)
			}
		}
		// The script counted the reads of a session one after the other.
		for next := q.duplicate; next != nil; next = q.duplicate {
			next.Retry = q.Retry
			next.session, next.err = q.session, q.err
			if q.err == nil && !q.uncounted {
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

// keep keeps the answer of the first read of a session, for all in its batch: before any of
// them is answered, so that no read has the same r as a later one that is answered near.
func (r *reader) keep(q *read, l layout.Layout, at time.Duration, more reply.Extra) {
	if q.count == 0 {
		return
	}
	token := unsafe.String(&q.key[q.prefixEnd], len(q.key)-q.prefixEnd)
	answer := near.Answer{Session: q.session, Reads: int64(q.count), Redis: at, End: more.End, OldToken: more.OldToken}
	if answer.First == "" {
		answer.First = token
	}
	q.session.R += r.batches.s.near.Keep(q.ticket, l.AppOf(q.prefix()), token, answer)
}

// cutTime cuts the time off a reply that is to be kept.
func cutTime(text string) (at time.Duration, rest string, err error) {
	line, rest, ok := strings.Cut(text, "\n")
	seconds, fraction, _ := strings.Cut(line, ".")
	s, err1 := strconv.ParseInt(seconds, 10, 64)
	us, err2 := strconv.ParseInt(fraction, 10, 64)
	if err := cmp.Or(err1, err2); !ok || err != nil {
		return 0, "", fmt.Errorf("%w: no time in the first line of %d bytes", errReply, len(line))
	}
	return time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond, rest, nil
}

package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// writers of a group of slots.
type writers struct{ creates, sets, kills *writer }

func newWriters(s *Store, sharded bool) *writers {
	return &writers{
		creates: newWriter(s, s.scripts.create, sharded, s.createArgs),
		sets:    newWriter(s, s.scripts.set, sharded, s.setArgs),
		kills:   newWriter(s, s.scripts.kill, sharded, s.killArgs),
	}
}

// writersOf returns those for a bucket.
func (s *Store) writersOf(l layout.Layout, b layout.Bucket) *writers {
	if !l.Sharded() {
		return s.writers[layout.ClassicGroup]
	}
	return s.writers[layout.GroupOfSlot(b.Slot)]
}

// writer makes batches of concurrent writes, for a script that answers each with a reply
// of its own: an array of them, or of one write alone the reply itself. Those of one session are executed in the order in which they came.
type writer struct {
	batches *batches[*write]
	begin   func(args []string, channel string) []string
	writes  sync.Pool // of *write
}

// write is a write in flight.
type write struct {
	wire.Wait
	bucket layout.Bucket
	// keys and args are its own, beside those of its batch. They must not alias memory of
	// the caller: they are read until Redis has answered, also after ctx has ended.
	keys, args []string
	time       time.Duration // how long it holds Redis, by estimate
	// merges is set if the session's data is walked through, too.
	merges bool
	reply  rueidis.RedisMessage
	err    error
}

func newWriter(s *Store, script *wire.Script, sharded bool, begin func([]string, string) []string) *writer {
	w := &writer{begin: begin}
	w.writes.New = func() any { return &write{Wait: wire.NewWait()} }
	w.batches = newBatches(s, w, script, sharded)
	return w
}

// new returns a write without arguments.
func (w *writer) new(b layout.Bucket, takes time.Duration) *write {
	q := w.writes.Get().(*write)
	q.bucket, q.keys, q.args, q.time, q.merges = b, q.keys[:0], q.args[:0], takes, false
	return q
}

// do makes a write with the next batch. q must not be used again.
func (w *writer) do(ctx context.Context, q *write) (rueidis.RedisMessage, error) {
	if err := w.batches.batcher.Do(ctx, q); err != nil {
		return rueidis.RedisMessage{}, err
	}
	reply, err := q.reply, q.err
	clear(q.keys)
	clear(q.args)
	q.reply, q.err = rueidis.RedisMessage{}, nil
	w.writes.Put(q)
	return reply, err
}

// prefix implements operation.
func (q *write) prefix() string { return q.bucket.Prefix }

// least implements operation.
func (q *write) least() time.Duration { return q.time }

// unique implements kind.
func (w *writer) unique(ops, waiters []*write) []*write { return append(ops, waiters...) }

// common implements kind.
func (w *writer) common(args []string, channel string) []string { return w.begin(args, channel) }

// add implements kind.
func (w *writer) add(c *wire.Command, writes []*write) {
	for _, q := range writes {
		c.Keys = append(c.Keys, q.keys...)
		c.Args = append(c.Args, q.args...)
	}
}

// answer implements kind.
func (w *writer) answer(writes []*write, conn *wire.Conn, reply rueidis.RedisMessage, err error) time.Duration {
	replies := []rueidis.RedisMessage{reply}
	if err == nil && len(writes) > 1 {
		replies, err = reply.ToArray()
		if err != nil || len(replies) != len(writes) {
			err = fmt.Errorf("%w: %d replies to %d writes: %v", errReply, len(replies), len(writes), err)
		}
	}
	var took time.Duration // of done of them
	done := 0
	for i, q := range writes {
		if q.err = outcome(&q.Wait, err); err != nil {
			continue
		}
		q.reply = replies[i]
		if fault := q.reply.Error(); fault != nil && !rueidis.IsRedisNil(fault) {
			q.err = w.batches.s.client.Outcome(conn, fault)
		}
		if q.merges && q.reply.IsString() {
			text, _ := q.reply.ToString()
			took += walkTime(len(text))
		} else if q.merges && q.reply.IsInt64() {
			if n, _ := q.reply.ToInt64(); n < 0 { // nothing was done
				q.Retry, q.AtOnce = true, true
				continue
			}
		}
		took += q.time
		done++
	}
	return took / time.Duration(max(1, done))
}

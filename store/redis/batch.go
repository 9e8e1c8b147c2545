package redis

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

const (
	// maxBatch bounds the operations of one batch.
	maxBatch = 128
	// callTime bounds how long one script call may hold Redis, by estimate.
	callTime = time.Millisecond
)

// operation is what one caller wants of a script that takes many at once.
type operation interface {
	wire.Waiter
	// prefix begins the keys of its bucket.
	prefix() string
	// least is how long it holds Redis at least, as far as the caller knows.
	least() time.Duration
}

// kind is what makes batches of one script.
type kind[T operation] interface {
	// unique appends the operations to be sent: all who wait, or one for several.
	unique(ops, waiters []T) []T
	// common appends the arguments that a call begins with. channel is that on which the
	// bucket's changes are published.
	common(args []string, channel string) []string
	// add appends the keys and arguments of operations of one bucket. Keys and args must
	// not alias memory that changes before Redis has replied.
	add(call *wire.Command, ops []T)
	// answer hands out a reply, or what came instead, and returns how long an operation
	// held Redis in the mean, by estimate; 0 if that says nothing. conn is nil if nothing
	// was sent.
	answer(ops []T, conn *wire.Conn, reply rueidis.RedisMessage, err error) time.Duration
}

// batches makes batches of concurrent operations: each batch is one script call, or on a
// Redis Cluster one for each bucket of an app, all in one go. Operations that would hold
// Redis for more than callTime are shared among several calls.
type batches[T operation] struct {
	kind    kind[T]
	s       *Store
	script  *wire.Script
	sharded bool // whether its keys are of the sharded layout
	batcher *wire.Batcher[T, payload[T]]
	mean    atomic.Int64 // how long an operation held Redis of late, in nanoseconds
}

// payload is what a batch sends, and what came back.
type payload[T operation] struct {
	ops   []T // in the order of the scripts' keys
	calls []call
}

// call is one script call of a batch.
type call struct {
	wire.Command
	first, end int // of ops
	conn       *wire.Conn
	reply      rueidis.RedisMessage
	err        error
}

func newBatches[T operation](s *Store, k kind[T], script *wire.Script, sharded bool) *batches[T] {
	b := &batches[T]{kind: k, s: s, script: script, sharded: sharded}
	b.batcher = wire.NewBatcher(s.client, b.most, b.send, b.answer)
	return b
}

// most is how many operations go in a batch.
func (b *batches[T]) most() int {
	if mean := b.mean.Load(); mean > 0 {
		return max(1, min(maxBatch, int(int64(callTime)/mean)))
	}
	return maxBatch
}

// send runs the script for the operations of a batch, until the batch's context ends.
func (b *batches[T]) send(batch *wire.Batch[T, payload[T]]) {
	p, client := &batch.Payload, b.s.client
	p.ops = b.kind.unique(p.ops[:0], batch.Waiters) // answer needs it, whatever comes
	ctx := batch.Context()
	conn, err := client.Current(ctx)
	if err == nil && conn.Layout.Sharded() != b.sharded {
		err = wire.ErrOtherLayout
	}
	if err != nil {
		p.calls = append(p.calls[:0], call{end: len(p.ops), err: err})
		return
	}
	b.prepare(p, conn.Layout)
	start := time.Now()
	if len(p.calls) == 1 {
		c := &p.calls[0]
		c.reply, c.err = c.Do(ctx, conn.Client)
	} else {
		commands := make([]wire.Command, len(p.calls))
		for i := range p.calls {
			commands[i] = p.calls[i].Command
		}
		for i, result := range wire.Send(ctx, conn.Client, commands) {
			p.calls[i].reply, p.calls[i].err = result.ToMessage()
		}
	}
	client.Observer.RoundTrip(time.Since(start))
	for i := range p.calls {
		c := &p.calls[i]
		c.conn = conn
		switch {
		case wire.SlotIsMoving(c.err): // answer sets Retry
		case c.err != nil:
			c.err, batch.InUse = client.Outcome(conn, c.err), true
		default:
			client.Outcome(conn, nil)
			client.Wrote(start)
		}
	}
}

// prepare makes the calls for the operations.
func (b *batches[T]) prepare(p *payload[T], l layout.Layout) {
	if slices.ContainsFunc(p.ops, func(q T) bool { return q.prefix() != p.ops[0].prefix() }) {
		slices.SortStableFunc(p.ops, func(x, y T) int { return strings.Compare(x.prefix(), y.prefix()) })
	}
	p.calls = p.calls[:0]
	mean := time.Duration(b.mean.Load())
	var used time.Duration // of the last call
	for i := 0; i < len(p.ops); {
		prefix := strings.Clone(p.ops[i].prefix())
		takes := max(p.ops[i].least(), mean)
		if len(p.calls) == 0 || l.Sharded() || used+takes > callTime {
			n := len(p.calls)
			p.calls = slices.Grow(p.calls, 1)[:n+1] // with what it has for keys and args
			c := &p.calls[n]
			c.Script, c.first, c.conn, c.reply, c.err = b.script, i, nil, rueidis.RedisMessage{}, nil
			bucket := layout.Bucket{Wipe: l.WipeOf(prefix)}
			c.Keys, c.Args, used = append(c.Keys[:0], bucket.Wipe), b.kind.common(c.Args[:0], bucket.Cache()), 0
		}
		c, first := &p.calls[len(p.calls)-1], i
		for used += takes; ; used += takes {
			if i++; i == len(p.ops) || p.ops[i].prefix() != prefix {
				break
			}
			if takes = max(p.ops[i].least(), mean); used+takes > callTime {
				break
			}
		}
		c.Keys = append(c.Keys, prefix+"_sessions", prefix+"_users")
		c.Args = append(c.Args, l.AppOf(prefix), strconv.Itoa(i-first))
		b.kind.add(&c.Command, p.ops[first:i])
		if c.end = i; l.Sharded() {
			c.Keys = append(c.Keys, layout.Missing(prefix)) // see Keyspace.Guard
		}
	}
}

// answer hands out what the replies say to each of the operations.
func (b *batches[T]) answer(batch *wire.Batch[T, payload[T]]) {
	p := &batch.Payload
	for i := range p.calls {
		c := &p.calls[i]
		took := b.kind.answer(p.ops[c.first:c.end], c.conn, c.reply, c.err)
		if took > 0 && c.err == nil {
			// A moving mean over some eight calls. (A lost update of it does no harm.)
			mean := b.mean.Load()
			b.mean.Store(mean + (int64(took)-mean)/8)
		}
		c.conn, c.reply, c.err = nil, rueidis.RedisMessage{}, nil
	}
	clear(p.ops)
}

// outcome is what comes of an operation: the error, or that another batch may succeed.
func outcome(w *wire.Wait, err error) error {
	w.Retry = wire.SlotIsMoving(err)
	return err
}

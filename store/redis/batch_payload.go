package redis

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"unsafe"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

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

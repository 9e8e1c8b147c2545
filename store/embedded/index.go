package embedded

import "math/bits"

const (
	slotBits = 6
	// slabLen is the number of records in a slab. It is one below a power of
	// two, so that no record has number 0, which means none. With sessions of
	// 160 bytes and 8 bytes of links, it also makes a slab of 10,584 bytes fit the
	// allocator's class of 10,880; 64 would take 12,288.
	slabLen = 1<<slotBits - 1
	// allFree marks the records 1 to slabLen of a slab as free.
	allFree = ^uint64(1)
)

// table holds records of type T in slabs, each at one address until it is removed, and finds
// them by hash. The index is linear hashing (Litwin, 1980) with a bucket per record: an
// insertion splits one, a removal joins two. Go's map, no slower, took 306 bytes a session in
// place of 267, and held 93 MB in place of 42 after nine tenths of a million had ended.
type table[T any] struct {
	slabs []slabRef[T]
	// partial holds the numbers of the slabs with free records, spare the
	// numbers that have no slab now.
	partial, spare []uint32
	heads          vector[uint32]
}

type slab[T any] struct {
	records [slabLen]T
	links   [slabLen]link
}

// slabRef is a slab and what of it is free. The bookkeeping is outside of the
// slab because of the slab's size class.
type slabRef[T any] struct {
	*slab[T]
	free uint64
	// at is the slab's index in partial, while it has both free and used
	// records or is empty.
	at uint32
}

// link is a record's place in the chain of its bucket.
type link struct{ hash, next uint32 }

func (t *table[T]) len() int { return t.heads.n }

// at returns the record in slot, which must be in use.
func (t *table[T]) at(slot uint32) *T {
	return &t.slabs[slot>>slotBits].records[slot&slabLen-1]
}

// used reports whether slot holds a record.
func (t *table[T]) used(slot uint32) bool {
	return t.slabs[slot>>slotBits].free>>(slot&slabLen)&1 == 0
}

func (t *table[T]) link(slot uint32) *link {
	return &t.slabs[slot>>slotBits].links[slot&slabLen-1]
}

// first returns the first slot whose record has this hash, or 0.
func (t *table[T]) first(hash uint32) uint32 {
	if t.heads.n == 0 {
		return 0
	}
	return t.same(*t.heads.at(t.bucket(hash)), hash)
}

// next returns the next slot after slot whose record has the same hash, or 0.
func (t *table[T]) next(slot uint32) uint32 {
	l := t.link(slot)
	return t.same(l.next, l.hash)
}

func (t *table[T]) same(slot, hash uint32) uint32 {
	for slot != 0 {
		l := t.link(slot)
		if l.hash == hash {
			break
		}
		slot = l.next
	}
	return slot
}

// bucket returns the bucket of a hash. With n buckets, where 2^k <= n < 2^(k+1),
// the first n-2^k have been split: they and their new halves go by k+1 bits,
// the others by k.
func (t *table[T]) bucket(hash uint32) int {
	low := 1 << (bits.Len(uint(t.heads.n)) - 1)
	if b := int(hash) & (2*low - 1); b < t.heads.n {
		return b
	}
	return int(hash) & (low - 1)
}

// add makes an empty record with this hash. It does not look for an equal one.
func (t *table[T]) add(hash uint32) uint32 {
	t.split()
	slot := t.take()
	head := t.heads.at(t.bucket(hash))
	*t.link(slot) = link{hash, *head}
	*head = slot
	return slot
}

// remove clears the record in slot and frees it.
func (t *table[T]) remove(slot uint32) {
	t.unlink(slot)
	t.join()
	t.release(slot)
}

// unlink takes slot out of the chain of its bucket.
func (t *table[T]) unlink(slot uint32) {
	l := t.link(slot)
	from := t.heads.at(t.bucket(l.hash))
	for *from != slot {
		from = &t.link(*from).next
	}
	*from = l.next
}

// rehash gives the record in slot another hash. It stays where it is.
func (t *table[T]) rehash(slot, hash uint32) {
	t.unlink(slot)
	head := t.heads.at(t.bucket(hash))
	*t.link(slot) = link{hash, *head}
	*head = slot
}

// split adds a bucket and moves to it what belongs there.
func (t *table[T]) split() {
	n := t.heads.n
	t.heads.push(0)
	if n == 0 {
		return
	}
	low := 1 << (bits.Len(uint(n)) - 1)
	from, to := t.heads.at(n-low), t.heads.at(n)
	for *from != 0 {
		l := t.link(*from)
		if int(l.hash)&(2*low-1) == n {
			*to = *from
			*from = l.next
			to = &l.next
			*to = 0
		} else {
			from = &l.next
		}
	}
}

// join undoes split.
func (t *table[T]) join() {
	chain := t.heads.pop()
	n := t.heads.n
	if chain == 0 {
		return
	}
	from := t.heads.at(n - 1<<(bits.Len(uint(n))-1))
	for *from != 0 {
		from = &t.link(*from).next
	}
	*from = chain
}

// take returns a free slot.
func (t *table[T]) take() uint32 {
	if len(t.partial) == 0 {
		t.grow()
	}
	last := len(t.partial) - 1
	n := t.partial[last]
	ref := &t.slabs[n]
	i := bits.TrailingZeros64(ref.free)
	ref.free &^= 1 << i
	if ref.free == 0 {
		t.partial = t.partial[:last]
	}
	return n<<slotBits | uint32(i)
}

func (t *table[T]) grow() {
	n := uint32(len(t.slabs))
	if last := len(t.spare) - 1; last >= 0 {
		n, t.spare = t.spare[last], t.spare[:last]
	} else {
		t.slabs = append(t.slabs, slabRef[T]{})
	}
	t.slabs[n] = slabRef[T]{slab: new(slab[T]), free: allFree, at: uint32(len(t.partial))}
	t.partial = append(t.partial, n)
}

// release clears slot. Its slab goes when it is empty and there is free room
// elsewhere: one empty slab stays, so that a session that comes and goes does
// not allocate one each time.
func (t *table[T]) release(slot uint32) {
	var none T
	*t.at(slot), *t.link(slot) = none, link{}
	n := slot >> slotBits
	ref := &t.slabs[n]
	if ref.free == 0 {
		ref.at = uint32(len(t.partial))
		t.partial = append(t.partial, n)
	}
	ref.free |= 1 << (slot & slabLen)
	if last := len(t.partial) - 1; ref.free == allFree && last > 0 {
		moved := t.partial[last]
		t.partial[ref.at], t.slabs[moved].at = moved, ref.at
		t.partial = t.partial[:last]
		*ref = slabRef[T]{free: allFree}
		t.spare = append(t.spare, n)
	}
}

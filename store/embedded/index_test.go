package embedded

import (
	"math/rand/v2"
	"testing"
)

// A table must agree with a map, through growth and shrinking, whatever the
// hashes.
func TestTableAgainstMap(t *testing.T) {
	for _, hashes := range []uint32{1, 16, 1 << 31} {
		rnd := rand.New(rand.NewPCG(3, uint64(hashes)))
		var tab table[int64]
		type item struct {
			slot, hash uint32
		}
		items := map[int64]item{}
		address := map[int64]*int64{}
		for i := range int64(20_000) {
			// Up for a while, then down.
			if grow := i/2000%2 == 0; len(items) == 0 || grow == (rnd.IntN(10) > 1) {
				hash := rnd.Uint32N(hashes)
				slot := tab.add(hash)
				if *tab.at(slot) != 0 {
					t.Fatal("a new record is not empty")
				}
				*tab.at(slot) = i
				items[i] = item{slot, hash}
				address[i] = tab.at(slot)
			} else {
				for value, it := range items {
					tab.remove(it.slot)
					delete(items, value)
					break
				}
			}
			if i%997 != 0 {
				continue
			}
			if _, err := tab.check(); err != nil || tab.len() != len(items) {
				t.Fatal(tab.len(), len(items), err)
			}
			for value, it := range items {
				found := tab.first(it.hash)
				for found != 0 && *tab.at(found) != value {
					found = tab.next(found)
				}
				if found != it.slot {
					t.Fatalf("%d is not found", value)
				}
				if tab.at(found) != address[value] {
					t.Fatal("a record moved")
				}
			}
		}
	}
}

// At a slab's border, a session that comes and goes must not take and free one
// each time.
func TestTableKeepsOneSlab(t *testing.T) {
	var tab table[int64]
	for range slabLen {
		tab.add(0)
	}
	tab.remove(tab.add(0))
	kept := tab.slabs[1].slab
	if tab.remove(tab.add(0)); kept == nil || tab.slabs[1].slab != kept {
		t.Error("the slab was freed")
	}
}

// The numbers of slabs that were freed are used again.
func TestTableReusesNumbers(t *testing.T) {
	var tab table[int64]
	for range 3 {
		var slots []uint32
		for range 10 * slabLen {
			slots = append(slots, tab.add(0))
		}
		if len(tab.slabs) != 10 {
			t.Fatalf("%d numbers for 10 slabs", len(tab.slabs))
		}
		for _, slot := range slots {
			tab.remove(slot)
		}
	}
}

func TestVector(t *testing.T) {
	var v vector[int]
	const n = 2000
	for range 2 {
		for i := range n {
			v.push(i)
		}
		if *v.at(n / 2) != n/2 {
			t.Error(*v.at(n / 2))
		}
		for i := n - 1; i >= 0; i-- {
			if got := v.pop(); got != i {
				t.Fatalf("got %d, want %d", got, i)
			}
			if held := cap(v.all); held > 4*i {
				t.Fatalf("room for %d where there are %d", held, i)
			}
		}
	}
}

package store_test

import (
	"math/rand/v2"
	"testing"

	"rest-sessions/store"
)

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		ttl      int64
		noResave bool
		want     int64
	}{
		{10, false, 1}, {19, false, 1}, {20, false, 2}, {29, false, 2}, {100, false, 10}, {599, false, 59},
		{600, false, 60}, {601, false, 60}, {7200, false, 60}, {store.MaxTTL, false, 60},
		{0, false, 1}, {1, false, 1}, // what a NoResave session may be left with
		{0, true, 1}, {10, true, 1}, {7200, true, 1}, {store.MaxTTL, true, 1},
	} {
		if got := store.Window(c.ttl, c.noResave); got != c.want {
			t.Errorf("Window(%d, %v) = %d, want %d", c.ttl, c.noResave, got, c.want)
		}
	}
}

func TestWipeAt(t *testing.T) {
	for _, c := range []struct {
		la, ttl   int64
		noResave  bool
		end, want int64
	}{
		{1_700_000_000, 10, false, 0, 1_700_000_011},
		{1_700_000_007, 100, false, 0, 1_700_000_110},
		{1_700_000_010, 100, false, 0, 1_700_000_120},
		{1_700_000_039, 7200, false, 0, 1_700_000_040 + 7200},
		{1_700_000_040, 7200, false, 0, 1_700_000_100 + 7200},
		{1_700_000_040, 7200, true, 0, 1_700_000_041 + 7200},
		{1_700_000_007, 100, false, 1_700_000_090, 1_700_000_091},
		{1_700_000_007, 100, false, 1_700_000_108, 1_700_000_109},
		{1_700_000_007, 100, false, 1_700_000_110, 1_700_000_110},
		{1_700_000_040, 7200, true, 1_700_000_050, 1_700_000_051},
	} {
		if got := store.WipeAt(c.la, c.ttl, c.noResave, c.end); got != c.want {
			t.Errorf("WipeAt(%d, %d, %v, %d) = %d, want %d", c.la, c.ttl, c.noResave, c.end, got, c.want)
		}
	}
}

func TestWipeAtProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		la := 1_600_000_000 + r.Int64N(1_000_000_000)
		ttl := store.MinTTL + r.Int64N(1<<r.IntN(49))
		noResave := r.IntN(4) == 0
		window := store.Window(ttl, noResave)
		at := store.WipeAt(la, ttl, noResave, 0)
		if window < 1 || window > store.MaxWindow || window > ttl/10 {
			t.Fatalf("Window(%d, %v) = %d", ttl, noResave, window)
		}
		if at <= la+ttl || at > la+ttl+window {
			t.Fatalf("WipeAt(%d, %d, %v) = %d: not in the window after the end, %d", la, ttl, noResave, at, la+ttl)
		}
		first := la - la%window
		for _, other := range []int64{first, first + window - 1, first + r.Int64N(window)} {
			if got := store.WipeAt(other, ttl, noResave, 0); got != at {
				t.Fatalf("WipeAt(%d, %d) = %d, and %d for %d in the same window of %d", la, ttl, at, got, other, window)
			}
		}
		if got := store.WipeAt(first+window, ttl, noResave, 0); got != at+window {
			t.Fatalf("WipeAt in the next window = %d, want %d", got, at+window)
		}
		if noResave {
			// Touched after s seconds, it has s seconds less: the end stays.
			s := r.Int64N(ttl + 1)
			if got := store.WipeAt(la+s, ttl-s, true, 0); got != at {
				t.Fatalf("WipeAt after a touch = %d, want %d", got, at)
			}
		}
	}
}

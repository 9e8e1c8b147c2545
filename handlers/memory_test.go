package handlers

import "testing"

// TestTide tells of a crowd that has left once, when it is gone for long enough.
func TestTide(t *testing.T) {
	var tide tide
	for i, c := range []struct {
		connections int
		out         bool
	}{
		{10, false}, {900, false}, {0, false}, {0, false}, // too few
		{10_000, false}, {6_000, false}, {6_000, false}, // too many are left
		{5_000, false}, {7_000, false}, // it comes back
		{100, false}, {90, true}, {90, false}, {0, false}, // once
		{1_200, false}, {1_100, false}, {0, false}, {0, true}, {0, false},
	} {
		if out := tide.out(c.connections); out != c.out {
			t.Errorf("look %d, at %d connections: out is %v", i, c.connections, out)
		}
	}
}

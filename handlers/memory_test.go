package handlers

import "testing"

// TestCrowdLeft tells of a crowd that has left once, when it is gone for long enough.
func TestCrowdLeft(t *testing.T) {
	var crowd crowd
	for i, c := range []struct {
		connections int
		left        bool
	}{
		{10, false}, {900, false}, {0, false}, {0, false}, // too few
		{10_000, false}, {6_000, false}, {6_000, false}, // too many are left
		{5_000, false}, {7_000, false}, // it comes back
		{100, false}, {90, true}, {90, false}, {0, false}, // once
		{1_200, false}, {1_100, false}, {0, false}, {0, true}, {0, false},
	} {
		if left := crowd.left(c.connections); left != c.left {
			t.Errorf("look %d, at %d connections: left is %v", i, c.connections, left)
		}
	}
}

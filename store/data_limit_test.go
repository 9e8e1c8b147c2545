package store

import (
	"strings"
	"testing"
)

// TestTooLarge: what is over the limit already may shrink and may keep its size.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct {
		before, after int
		want          bool
	}{{0, 100, false}, {0, 101, true}, {99, 101, true}, {101, 101, false}, {150, 120, false}, {150, 151, true}, {150, 0, false}} {
		if got := TooLarge(strings.Repeat("x", c.before), strings.Repeat("x", c.after), 100); got != c.want {
			t.Errorf("from %d to %d bytes of 100: %v", c.before, c.after, got)
		}
	}
}

package admission

import (
	"testing"
	"time"
)

// TestInFlight counts what is let in, of both queues.
func TestInFlight(t *testing.T) {
	a := New(3)
	for _, q := range []Queue{Short, Long} {
		for i := range 5 {
			if got := a.Enter(q, epoch); got != (i < 3) {
				t.Errorf("queue %d, request %d: let in is %v", q, i, got)
			}
		}
		a.Leave(q, epoch.Add(-time.Second), 0) // before the first window ends
		if a.answered.Load() != 0 || a.fastest.Load() != unknown {
			t.Error("what the store did not answer counts as an answer")
		}
		if !a.Enter(q, epoch) || a.Enter(q, epoch) {
			t.Errorf("queue %d: not one more", q)
		}
		if !a.Enter(None, epoch) {
			t.Error("what does not ask the store is shed")
		}
	}
}

package storetest

import (
	"strings"
	"testing"

	"rest-sessions/store"
)

func TestDifferential(t *testing.T) {
	for seed := range uint64(5) {
		clock := NewClock(startTime)
		Differential(t, seed, 3000, newModel(clock, ""), newModel(clock, ""), clock)
	}
}

// Two stores that fail alike have not passed.
func TestDifferentialFaults(t *testing.T) {
	clock := NewClock(startTime)
	a, b := NewFaulty(newModel(clock, "")), NewFaulty(newModel(clock, ""))
	for _, method := range methods {
		a.Fail(method, store.ErrUnavailable)
		b.Fail(method, store.ErrUnavailable)
		if err := diverge(t.Context(), 1, 3000, a, b, clock); err == nil || !strings.Contains(err.Error(), faultPrefix) {
			t.Errorf("%s fails in both: %v", method, err)
		}
		a.FailAll(nil)
		b.FailAll(nil)
		for _, app := range workApps {
			killApp(app)(t.Context(), a)
			killApp(app)(t.Context(), b)
		}
	}
}

func TestWorkloadRepeats(t *testing.T) {
	names := func(seed uint64) string {
		w := newWorkload(seed, NewClock(startTime))
		var all strings.Builder
		for range 500 {
			name, _ := w.next()
			all.WriteString(name)
		}
		return all.String()
	}
	first, again := names(1), names(1)
	if first != again {
		t.Error("the same seed makes other operations")
	}
	if first == names(2) {
		t.Error("another seed makes the same operations")
	}
}

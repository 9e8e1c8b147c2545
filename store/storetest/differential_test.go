package storetest

import (
	"fmt"
	"slices"
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

// unseen are the bugs that operations one after another, each with memory of its
// own and a clock that goes forward, do not show.
var unseen = []string{
	"a list goes by place", // needs more than a chunk
	"a list is one chunk",
	"a list loses rotated sessions",
	"a list may have an empty chunk",
	// Nothing happens between the pages, and only what they are together is compared.
	"a page counts places",
	"a page has no limit",
	"a page has the dt of its own",
	"a page of all has a cursor",
	"a page of an id has no limit",
	"a set revives",
	"an ended context is no such session",
	"an ended context is not seen",
	"answers change",
	"arguments are kept",
	"conditional sets at once all set",
	"creates at once break the limit",
	"idle may be negative",
	"killapp ends after a step",
	"data at its limit cannot be replaced", // it is never at it to the byte
	"killid ends after a step",
	"moves at once all move",
	"reads are lost",
	"rotations at once make two tokens",
	"sets are lost",
	"sets are lost in a move",
	"wipe ends after a step",
}

func TestDifferentialFindsBugs(t *testing.T) {
	for bug := range bugs {
		if slices.Contains(unseen, bug) {
			continue
		}
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			// As many operations as engines are compared by.
			for seed := uint64(1); seed <= 8; seed++ {
				clock := NewClock(startTime)
				err := diverge(t.Context(), seed, 5000, newModel(clock, ""), newModel(clock, bug), clock)
				if err == nil {
					continue
				}
				if !strings.HasPrefix(err.Error(), fmt.Sprintf("seed %d, operation ", seed)) {
					t.Error(err)
				}
				t.Logf("%.300s", err)
				return
			}
			t.Fatal("no difference found")
		})
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

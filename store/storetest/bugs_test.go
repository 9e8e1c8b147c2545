//go:build !race

// One goroutine computes for long here: the race detector would find nothing, and take minutes.

package storetest

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestSuiteFindsBugs runs the test of the suite that finds a bug on a model that has it,
// in a process of its own, since a failure has to be seen from outside.
func TestSuiteFindsBugs(t *testing.T) {
	for bug, finder := range bugs {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestModel$/^"+finder+"$", "-test.failfast", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), bugEnv+"="+bug)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL: TestModel/"+finder) {
				t.Errorf("%s passes (%v)\n%s", finder, err, out)
			}
		})
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
	if testing.Short() {
		t.Skip("TestSuiteFindsBugs does")
	}
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

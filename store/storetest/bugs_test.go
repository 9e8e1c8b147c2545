//go:build !race

package storetest

import (
	"os"
	"os/exec"
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

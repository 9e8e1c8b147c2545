//go:build !race

package storetest

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// allFindersEnv, if it is set, has the test name all cases that find a bug, which takes
// minutes.
const allFindersEnv = "STORETEST_ALL_FINDERS"

// Each bug fails the suite. That needs processes of their own, since what fails
// here has to be seen from outside: seconds, but minutes under the race detector.
func TestSuiteFindsBugs(t *testing.T) {
	failed := regexp.MustCompile(`--- FAIL: TestModel/(\S+)`)
	for _, bug := range bugs {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			args := []string{"-test.run=^TestModel$", "-test.timeout=60s"}
			if os.Getenv(allFindersEnv) == "" { // the first to find the bug will do
				args = append(args, "-test.failfast")
			}
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), bugEnv+"="+bug)
			out, err := cmd.CombinedOutput()
			var found []string
			for _, m := range failed.FindAllSubmatch(out, -1) {
				found = append(found, string(m[1]))
			}
			if err == nil || len(found) == 0 {
				t.Fatalf("the suite passes (%v)\n%s", err, out)
			}
			t.Logf("found by %s", strings.Join(found, ", "))
		})
	}
}

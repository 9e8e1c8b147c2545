//go:build unix

package redistest

import (
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// TestStall has a program write more than a pipe holds: it does not end while nothing is
// taken, and nothing is lost.
func TestStall(t *testing.T) {
	const size = 1 << 20
	var log Log
	log.Stall()
	cmd := exec.Command("head", "-c", strconv.Itoa(size), "/dev/zero")
	cmd.Stdout = &log
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	select {
	case err := <-ended:
		t.Fatalf("the program has ended (%v), though nobody reads", err)
	case <-time.After(100 * time.Millisecond):
	}
	log.Resume()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := len(log.String()); n != size {
		t.Errorf("the log has %d bytes of %d", n, size)
	}
}

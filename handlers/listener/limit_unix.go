//go:build unix

package listener

import (
	"math"
	"syscall"
)

// MaxFiles returns how many files the process may have open. Go has raised the soft
// limit to the hard one at the start.
func MaxFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

//go:build unix

package listener

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockTimeout is far longer than a server holds the lock.
const lockTimeout = 5 * time.Second

// lockDir keeps other servers from opening a socket in dir. The lock is the
// kernel's, on the directory itself: it leaves no file, and ends with the process.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Now().After(deadline) {
			d.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
	}
}

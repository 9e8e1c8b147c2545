package redistest

import "syscall"

// childAttr lets the kernel end the child with its parent, so that a test binary
// that panics or times out leaves no server behind.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

//go:build unix

package wire

import "syscall"

// isClosed reports whether the peer has closed an idle connection. Data counts too, since
// nothing was asked: it is the end of a TLS connection.
func isClosed(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return err != syscall.EAGAIN && err != syscall.EINTR
}

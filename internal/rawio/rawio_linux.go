package rawio

import (
	"syscall"
	"unsafe"
)

const supported = true

// MayTakeLong tells the scheduler that its goroutine may compute for long. It costs some
// 0.1 us, and some 20 if it wakes the thread.
func MayTakeLong() { syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0) }

// readSome reads what there is. It returns false if the socket has nothing.
func (t *transfer) readSome(fd uintptr) bool {
	t.n, t.err = call(syscall.SYS_READ, fd, t.p)
	return t.err != syscall.EAGAIN || t.wait()
}

// readOne reads a byte, if there is one.
func (t *transfer) readOne(fd uintptr) bool {
	var b [1]byte
	_, t.err = call(syscall.SYS_READ, fd, b[:])
	return true
}

// writeAll writes what is left of p. It returns false if the socket takes no more now.
func (t *transfer) writeAll(fd uintptr) bool {
	for t.n < len(t.p) {
		var n int
		if n, t.err = call(syscall.SYS_WRITE, fd, t.p[t.n:]); t.err != 0 {
			return t.err != syscall.EAGAIN || t.wait()
		}
		t.n += n
	}
	return true
}

// call makes one system call, and again if a signal came between. p is not empty.
func call(number, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch err {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}

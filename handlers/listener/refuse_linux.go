package listener

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// synFilter lets a segment through unless it asks for a new connection (SYN without
// ACK). Such a client asks again after a second, and is then refused.
var synFilter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // the flags of the TCP header
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: synFlag | ackFlag},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: synFlag, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
}

const synFlag, ackFlag = 0x02, 0x10

// refuse keeps new connections from l, and leaves those that wait for Accept. Where the
// system does not know how, those of the last moment are lost as l is closed.
func refuse(l net.Listener) {
	switch l := l.(type) {
	case *net.TCPListener:
		if raw, err := l.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				unix.SetsockoptSockFprog(int(fd), syscall.SOL_SOCKET, unix.SO_ATTACH_FILTER,
					&unix.SockFprog{Len: uint16(len(synFilter)), Filter: &synFilter[0]})
			})
		}
	case *net.UnixListener:
		removeSocket(l)
		if raw, err := l.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RD) }) // of what has found the file already
		}
	}
}

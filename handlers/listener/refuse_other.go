//go:build !linux

package listener

import "net"

// refuse keeps new connections from a Unix socket. TCP has no such means here.
func refuse(l net.Listener) {
	if l, ok := l.(*net.UnixListener); ok {
		removeSocket(l)
	}
}

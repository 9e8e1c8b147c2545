package listener

import (
	"io"
	"net"
	"time"
)

const (
	// lingerBytes and lingerTime bound what is read of a client after its answer.
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// Linger is for a connection that is to be closed after an answer, though its client may
// still be sending the request: Close then waits, within bounds, until it has ended.
// A close with input unread resets the connection, and the client may lose the answer.
func Linger(conn net.Conn) {
	for {
		switch c := conn.(type) {
		case *member:
			c.linger.Store(true)
			return
		case interface{ NetConn() net.Conn }: // *tls.Conn, *plainRefused
			conn = c.NetConn()
		default:
			return
		}
	}
}

// Reset closes a connection so that its client cannot take what came for the whole answer:
// TCP by a reset, TLS besides without its own end (close_notify). A Unix socket is closed.
func Reset(conn net.Conn) {
	closer, raw := conn, conn
	for {
		switch c := raw.(type) {
		case *member:
			closer, raw = c, c.Conn
		case interface{ NetConn() net.Conn }:
			raw = c.NetConn()
			closer = raw
		case *net.TCPConn:
			c.SetLinger(0)
			closer.Close()
			return
		default:
			closer.Close()
			return
		}
	}
}

// discard ends what is sent on conn, and reads until its client has ended too.
func discard(conn net.Conn) {
	c, ok := conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	io.Copy(io.Discard, io.LimitReader(conn, lingerBytes))
}

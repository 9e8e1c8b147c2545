package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"syscall"
)

// maxBatchConns bounds the connections of batches to one node. It is more than all
// Batchers together have in flight (see maxBatches), so that no batch waits for one.
const maxBatchConns = 256

// errStale is of a connection that had been closed before a call was written to it:
// nothing was sent.
var errStale = errors.New("the connection was closed")

// dial makes a connection for rueidis; to is a path if it begins with a slash, whatever
// else a cluster names is reached by TCP.
func dial(ctx context.Context, to string, dialer *net.Dialer, config *tls.Config) (conn net.Conn, err error) {
	switch {
	case strings.HasPrefix(to, "/"):
		conn, err = dialer.DialContext(ctx, "unix", to)
	case config != nil:
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", to)
	default:
		conn, err = dialer.DialContext(ctx, "tcp", to)
	}
	if err == nil && isBatch(ctx) {
		return newBatchConn(conn), nil
	}
	return conn, err
}

// batchConn is a connection that carries one batch at a time. While it carries none,
// nobody reads it. So before it is written to again it looks whether it was closed.
type batchConn struct {
	net.Conn
	socket syscall.RawConn
	look   func(fd uintptr) bool // sets closed; made once, since it would be allocated
	closed bool
	idle   bool // whether a reply was read since something was written
}

func newBatchConn(conn net.Conn) net.Conn {
	socket := conn
	if secure, ok := conn.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	c := &batchConn{Conn: conn}
	if s, ok := socket.(syscall.Conn); ok {
		c.socket, _ = s.SyscallConn()
	}
	c.look = func(fd uintptr) bool {
		c.closed = isClosed(fd)
		return true
	}
	return c
}

func (c *batchConn) Read(p []byte) (int, error) {
	c.idle = true
	return c.Conn.Read(p)
}

func (c *batchConn) Write(p []byte) (int, error) {
	if c.idle && c.socket != nil {
		if err := c.socket.Read(c.look); err != nil || c.closed {
			return 0, errStale
		}
	}
	c.idle = false
	return c.Conn.Write(p)
}

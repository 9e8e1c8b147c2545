package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"rest-sessions/internal/rawio"
)

// maxBatchConns bounds the connections of batches to one node. It is more than all
// Batchers together have in flight (see maxBatches), so that no batch waits for one.
const maxBatchConns = 256

// errStale is of a connection that had been closed before a call was written to it:
// nothing was sent.
var errStale = errors.New("the connection was closed")

// dial makes a connection for rueidis; to is a path if it begins with a slash, whatever
// else a cluster names is reached by TCP. For a batch it is a batchConn.
func dial(ctx context.Context, to string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(to, "/") {
		network, config = "unix", nil
	}
	forBatch := isBatch(ctx)
	if forBatch { // nobody else waits for it
		own := *dialer
		own.Timeout, dialer = 0, &own
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialer.Timeout)
		defer cancel()
	}
	conn, err := dialer.DialContext(ctx, network, to)
	if err != nil {
		return nil, err
	}
	var socket *rawConn
	if forBatch {
		socket = &rawConn{conn, rawio.New(conn)}
		conn = socket
	}
	if config != nil {
		if conn, err = handshake(ctx, conn, to, config); err != nil {
			return nil, err
		}
	}
	if forBatch {
		conn = &batchConn{Conn: conn, socket: socket.io}
	}
	return conn, nil
}

// rawConn is a connection of which Go's scheduler is not told: see rawio.
type rawConn struct {
	net.Conn
	io *rawio.Conn
}

func (c *rawConn) Read(p []byte) (int, error)  { return c.io.Read(p) }
func (c *rawConn) Write(p []byte) (int, error) { return c.io.Write(p) }

// batchConn is a connection that carries one batch at a time. While it carries none,
// nobody reads it. So before it is written to again it looks whether it was closed.
type batchConn struct {
	net.Conn             // with TLS, if it has that
	socket   *rawio.Conn // below it
	idle     bool        // whether a reply was read since something was written
}

func (c *batchConn) Read(p []byte) (int, error) {
	c.idle = true
	return c.Conn.Read(p)
}

func (c *batchConn) Write(p []byte) (int, error) {
	if c.idle && c.socket.Closed() {
		return 0, errStale
	}
	c.idle = false
	return c.Conn.Write(p)
}

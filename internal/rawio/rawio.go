// Package rawio reads and writes sockets by system calls that Go's scheduler is not told
// of. Of others it is told, since they may take long: then it wakes a thread (sysmon) that
// watches over them. A server that is nearly idle wakes it, and lets it sleep, twice a
// request; that was half of the server's CPU time for a lone read of Redis, and 15% of
// hello's. A socket of a net.Conn never blocks, so there is nothing to watch over.
//
// That thread also has the network polled, and goroutines preempted, while one goroutine
// computes for long. So who has read something by a Conn, and may compute for more than a
// millisecond before it waits again, calls MayTakeLong first.
package rawio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn reads and writes a connection of the net package. It is an io.ReadWriter and is
// used as that net.Conn: deadlines and Close of the connection hold for it. Those who set
// deadlines often use its own methods instead, all of them.
type Conn struct {
	conn   net.Conn
	socket syscall.RawConn // nil: conn is read and written as usual
	read   transfer
	write  transfer
	look   func(fd uintptr) bool
}

// New makes a Conn. Where it cannot do better, on systems other than Linux, it reads and
// writes conn itself.
func New(conn net.Conn) *Conn {
	c := &Conn{conn: conn}
	if s, ok := conn.(syscall.Conn); ok && supported {
		c.socket, _ = s.SyscallConn()
	}
	c.read.try, c.write.try, c.look = c.read.readSome, c.write.writeAll, c.read.readOne
	c.read.deadline.set, c.write.deadline.set = conn.SetReadDeadline, conn.SetWriteDeadline
	return c
}

// SetReadDeadline is as that of a net.Conn, but past it a Read that need not wait may succeed.
func (c *Conn) SetReadDeadline(at time.Time) error {
	if c.socket == nil {
		return c.conn.SetReadDeadline(at)
	}
	return c.read.deadline.ask(at)
}

// SetWriteDeadline is as that of a net.Conn, but past it a Write that need not wait may succeed.
func (c *Conn) SetWriteDeadline(at time.Time) error {
	if c.socket == nil {
		return c.conn.SetWriteDeadline(at)
	}
	return c.write.deadline.ask(at)
}

// transfer is the reading or the writing of a Conn.
type transfer struct {
	mu  sync.Mutex
	p   []byte
	n   int                   // how many bytes of p are done
	err syscall.Errno         // why no more are
	try func(fd uintptr) bool // made once, since it is allocated

	waited   bool // whether deadline.wait was called
	deadline deadline
}

// run transfers p by one of the connection's methods. mu is held.
func (t *transfer) run(by func(func(fd uintptr) bool) error, p []byte) error {
	t.p, t.n, t.err, t.waited = p, 0, 0, false
	err := by(t.try)
	for err != nil && t.deadline.early(err) {
		err = by(t.try)
	}
	if t.p = nil; t.waited {
		t.deadline.done()
	}
	return err
}

// wait says that the socket is not ready.
func (t *transfer) wait() bool {
	t.waited = true
	t.deadline.wait()
	return false
}

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if c.socket == nil || len(p) == 0 {
		return c.conn.Read(p)
	}
	t := &c.read
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.run(c.socket.Read, p)
	switch {
	case err != nil:
		return 0, err
	case t.err != 0:
		return 0, c.failure("read", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write implements io.Writer.
func (c *Conn) Write(p []byte) (int, error) {
	if c.socket == nil || len(p) == 0 {
		return c.conn.Write(p)
	}
	t := &c.write
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.run(c.socket.Write, p)
	if err == nil && t.err != 0 {
		err = c.failure("write", t.err)
	}
	return t.n, err
}

// Closed reports whether the peer has closed a connection on which nothing is expected:
// what comes on it unasked counts as its end, as that of TLS is. The deadline for reading
// has not passed. On systems other than Linux it reports false.
func (c *Conn) Closed() bool {
	if c.socket == nil {
		return false
	}
	t := &c.read
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.socket.Read(c.look) != nil || t.err != syscall.EAGAIN
}

// failure makes the error that conn would have returned.
func (c *Conn) failure(op string, err syscall.Errno) error {
	return &net.OpError{
		Op: op, Net: c.conn.RemoteAddr().Network(), Source: c.conn.LocalAddr(), Addr: c.conn.RemoteAddr(),
		Err: os.NewSyscallError(op, err),
	}
}

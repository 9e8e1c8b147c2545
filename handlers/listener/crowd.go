package listener

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd is a listener that outlives a shortage. The HTTP server ends at the first
// error of Accept, so those that pass are waited out here, as net/http does. At most
// limit connections are open, and some more that are told so: then one that has not
// sent a byte yet is closed for the next, the oldest first.
type crowd struct {
	net.Listener
	limit int32
	logf  func(format string, args ...any)

	closed chan struct{}
	once   sync.Once

	open atomic.Int32 // changed with mu held

	mu     sync.Mutex
	silent list.List // of *member, the oldest first
}

const (
	// The pause after an error of Accept, doubled from the shortest to the longest while
	// they go on, is net/http's.
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
	// told is how many connections past the limit are accepted, to get an answer.
	told = 8
)

func newCrowd(l net.Listener, limit int32, logf func(format string, args ...any)) *crowd {
	return &crowd{Listener: l, limit: limit, logf: logf, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		conn, err := c.Listener.Accept()
		if err == nil {
			if m := c.admit(conn); m != nil {
				return m, nil
			}
			conn.Close()
			pause = shortestPause
			continue
		}
		if !passing(err) {
			return nil, err
		}
		if pause == shortestPause {
			c.logf("warning: connections wait, since none can be accepted: %v", err)
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			c.dismiss() // its descriptor is free then
		}
		select {
		case <-c.closed:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
	}
}

// passing reports whether an error of Accept says nothing of the next one.
func passing(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close implements net.Listener.
func (c *crowd) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// admit makes a member of a new connection, or returns nil if there is no room.
func (c *crowd) admit(conn net.Conn) *member {
	m := &member{Conn: conn, crowd: c}
	c.mu.Lock()
	full := c.open.Load() >= c.limit && c.silent.Len() == 0
	if full && c.open.Load() >= c.limit+told {
		c.mu.Unlock()
		return nil
	}
	over := c.open.Load() >= c.limit
	c.open.Add(1)
	c.mu.Unlock()
	if over {
		c.dismiss()
	}
	c.mu.Lock()
	m.element = c.silent.PushBack(m)
	c.mu.Unlock()
	return m
}

// dismiss closes the oldest connection that has not sent anything, if there is one.
func (c *crowd) dismiss() {
	c.mu.Lock()
	var oldest *member
	if front := c.silent.Front(); front != nil {
		oldest = front.Value.(*member)
		oldest.leave() // one that has spoken is not on the list
	}
	c.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
}

// member is a connection that its crowd counts.
type member struct {
	net.Conn
	crowd  *crowd
	spoken atomic.Bool
	closed atomic.Bool
	// element is the member's in crowd.silent; the crowd's lock guards it.
	element *list.Element
}

// Read implements net.Conn.
func (m *member) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if n > 0 && !m.spoken.Load() {
		m.spoken.Store(true)
		m.crowd.mu.Lock()
		m.leave()
		m.crowd.mu.Unlock()
	}
	return n, err
}

// leave takes m off the list of those that are silent. The crowd's lock is held.
func (m *member) leave() {
	if m.element != nil {
		m.crowd.silent.Remove(m.element)
		m.element = nil
	}
}

// Close implements net.Conn.
func (m *member) Close() error {
	if !m.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	err := m.Conn.Close() // before the next may be accepted
	m.crowd.mu.Lock()
	m.leave()
	m.crowd.open.Add(-1)
	m.crowd.mu.Unlock()
	return err
}

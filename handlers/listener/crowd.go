package listener

import (
	"container/list"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"rest-sessions/internal/rawio"
)

// crowd is a listener that outlives a shortage. The HTTP server ends at the first
// error of Accept, so those that pass are waited out here, as net/http does. At most
// limit connections are open, and some more that are told so: then one that has not
// sent a byte yet is closed for the next, the oldest first.
type crowd struct {
	net.Listener
	limit int32
	logf  func(format string, args ...any)

	closing   chan struct{}
	once      sync.Once
	closeErr  error
	accepting atomic.Bool   // whether Accept has been called
	ended     chan struct{} // closed when Accept has returned an error
	endOnce   sync.Once

	// Errors of Accept that pass, for the log. Accept alone uses them.
	warned time.Time // when a line was written last
	failed int       // errors since then

	open atomic.Int32 // changed with mu held

	mu     sync.Mutex
	silent list.List // of *member, the oldest first
}

const (
	// The pause after an error of Accept, doubled from the shortest to the longest while
	// they go on, is net/http's.
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
	// warnEvery is the time in which errors of Accept make one line in the log.
	warnEvery = time.Minute
	// lastAccepts is how long connections are accepted after Close, for handshakes that
	// had begun: their clients take them for open a round trip later.
	lastAccepts = 200 * time.Millisecond
	// lastLook is how long Accept waits once more after that. One that is called past its
	// deadline, as on a busy machine, does not look whether a connection waits.
	lastLook = 10 * time.Millisecond
	// told is how many connections past the limit are accepted, to get an answer.
	told = 8
)

func newCrowd(l net.Listener, limit int32, logf func(format string, args ...any)) *crowd {
	return &crowd{Listener: l, limit: limit, logf: logf, closing: make(chan struct{}), ended: make(chan struct{})}
}

// deadliner is a listener whose Accept can be told to end.
type deadliner interface{ SetDeadline(time.Time) error }

// Accept implements net.Listener. One goroutine calls it at a time.
func (c *crowd) Accept() (net.Conn, error) {
	c.accepting.Store(true)
	conn, err := c.accept()
	if err != nil {
		c.endOnce.Do(func() { close(c.ended) })
	}
	return conn, err
}

func (c *crowd) accept() (net.Conn, error) {
	closing := c.closing
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		began := time.Now()
		conn, err := c.Listener.Accept()
		if err == nil {
			if m := c.admit(conn); m != nil {
				return m, nil
			}
			conn.Close()
			pause = shortestPause
			continue
		}
		if c.isClosing() && errors.Is(err, syscall.EINVAL) {
			return nil, net.ErrClosed // a Unix socket that refuses, and has nobody waiting
		}
		if c.isClosing() && errors.Is(err, os.ErrDeadlineExceeded) {
			if time.Since(began) >= lastLook/2 { // it has waited in vain
				return nil, net.ErrClosed
			}
			c.Listener.(deadliner).SetDeadline(time.Now().Add(lastLook))
			pause = shortestPause
			continue
		}
		if !passing(err) {
			return nil, err
		}
		c.warn(err)
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			c.dismiss() // its descriptor is free then
		}
		select {
		case <-closing:
			closing, pause = nil, shortestPause
		case <-time.After(pause):
		}
	}
}

// warn has errors of Accept make one line in warnEvery, whatever comes between them.
func (c *crowd) warn(err error) {
	c.failed++
	now := time.Now()
	if !c.warned.IsZero() && now.Sub(c.warned) < warnEvery {
		return
	}
	const text = "warning: new connections wait, because none can be accepted: %v"
	if c.failed == 1 {
		c.logf(text, err)
	} else {
		c.logf(text+" (%d such errors since %v ago)", err, c.failed, now.Sub(c.warned).Round(time.Second))
	}
	c.warned, c.failed = now, 0
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

// Close implements net.Listener. It first refuses new connections, and Accept returns
// those that the system has taken: else their clients, to whom they are open, would send
// requests that nobody reads.
func (c *crowd) Close() error {
	c.once.Do(func() {
		close(c.closing)
		if l, ok := c.Listener.(deadliner); ok && c.accepting.Load() {
			refuse(c.Listener)
			l.SetDeadline(time.Now().Add(lastAccepts))
			select {
			case <-c.ended:
			case <-time.After(2 * lastAccepts): // Accept is not called again
			}
		}
		c.closeErr = c.Listener.Close()
	})
	return c.closeErr
}

func (c *crowd) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// admit makes a member of a new connection, or returns nil if there is no room.
func (c *crowd) admit(conn net.Conn) *member {
	m := &member{Conn: conn, io: rawio.New(conn), crowd: c}
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
	io     *rawio.Conn // reads and writes Conn
	crowd  *crowd
	spoken atomic.Bool
	closed atomic.Bool
	linger atomic.Bool // see Linger
	// element is the member's in crowd.silent; the crowd's lock guards it.
	element *list.Element
}

// Read implements net.Conn.
func (m *member) Read(b []byte) (int, error) {
	n, err := m.io.Read(b)
	if n > 0 && !m.spoken.Load() {
		rawio.MayTakeLong() // if TLS, it shakes hands
		m.spoken.Store(true)
		m.crowd.mu.Lock()
		m.leave()
		m.crowd.mu.Unlock()
	}
	return n, err
}

// Write implements net.Conn.
func (m *member) Write(b []byte) (int, error) { return m.io.Write(b) }

// SetReadDeadline implements net.Conn.
func (m *member) SetReadDeadline(at time.Time) error { return m.io.SetReadDeadline(at) }

// SetWriteDeadline implements net.Conn.
func (m *member) SetWriteDeadline(at time.Time) error { return m.io.SetWriteDeadline(at) }

// SetDeadline implements net.Conn.
func (m *member) SetDeadline(at time.Time) error {
	return errors.Join(m.SetReadDeadline(at), m.SetWriteDeadline(at))
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
	if m.linger.Load() {
		discard(m.Conn)
	}
	err := m.Conn.Close() // before the next may be accepted
	m.crowd.mu.Lock()
	m.leave()
	m.crowd.open.Add(-1)
	m.crowd.mu.Unlock()
	return err
}

//go:build unix

package redistest

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy passes connections on to a server, and breaks or narrows them when told to: what
// a network or a dying host does to a Redis that is well. Its methods are safe for
// concurrent use.
type Proxy struct {
	listener net.Listener
	target   atomic.Pointer[string]
	next     atomic.Pointer[cut] // nil is none
	cuts     atomic.Int64
	width    atomic.Int64 // bytes a second; 0: no bound
	muted    atomic.Bool  // see Mute

	mu     sync.Mutex
	free   time.Time // when all that was passed on within the width has gone
	conns  map[net.Conn]bool
	closed bool
	copies sync.WaitGroup
}

// StartProxy starts a proxy before s and ends it with the test.
func StartProxy(tb testing.TB, s *Server) *Proxy {
	tb.Helper()
	p, err := RunProxy(s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// RunProxy is StartProxy without a testing.TB: the caller ends it with Close.
func RunProxy(s *Server) (*Proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("redistest: %w", err)
	}
	p := &Proxy{listener: listener, conns: map[net.Conn]bool{}}
	p.Point(s)
	p.copies.Go(p.accept)
	return p, nil
}

// Port returns the port that the proxy listens on.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Point has new connections lead to s: those that are open stay where they are, as those
// behind a primary's endpoint or a Kubernetes Service do.
func (p *Proxy) Point(s *Server) {
	addr := s.Addr()
	p.target.Store(&addr)
}

// cut is an order to break a connection.
type cut struct {
	command []byte
	part    float64
}

// Cut breaks the connection on which command, as in "EVALSHA", is next answered. That
// there is an answer says that the server has executed it; only part of the answer,
// 0 to less than 1, is passed on.
func (p *Proxy) Cut(command string, part float64) { p.next.Store(&cut{[]byte(command), part}) }

// Cuts returns how many connections Cut has broken.
func (p *Proxy) Cuts() int { return int(p.cuts.Load()) }

// Narrow passes on replies, of all connections together, at so many bytes a second, in order:
// the server's capacity without a processor that is busy. 0 is no bound.
func (p *Proxy) Narrow(bytesPerSecond int) { p.width.Store(int64(bytesPerSecond)) }

// Mute holds back what the server says on connections that subscribe, until it is told not to.
func (p *Proxy) Mute(is bool) { p.muted.Store(is) }

// pass writes b as fast as the width lets it.
func (p *Proxy) pass(to net.Conn, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if width := p.width.Load(); width > 0 {
			n = min(n, max(1, int(width/1000))) // 1 ms, about what a sleep may be late
			p.mu.Lock()
			if now := time.Now(); p.free.Before(now) {
				p.free = now
			}
			p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(width))
			wait := time.Until(p.free)
			p.mu.Unlock()
			time.Sleep(wait)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	p.Mute(false)
	p.mu.Lock()
	p.closed = true
	p.listener.Close()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.copies.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp4", *p.target.Load())
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		if p.closed {
			client.Close()
			server.Close()
		} else {
			p.conns[client], p.conns[server] = true, true
			c := new(connection)
			p.copies.Go(func() { p.requests(server, client, c) })
			p.copies.Go(func() { p.replies(client, server, c) })
		}
		p.mu.Unlock()
	}
}

// connection is what is known of one by what its client sent.
type connection struct {
	asked      atomic.Pointer[cut] // the cut whose command went by
	subscribes atomic.Bool
}

// requests passes on what a client sends until either end is closed, then closes both.
func (p *Proxy) requests(server, client net.Conn, of *connection) {
	defer p.drop(server, client)
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if c := p.next.Load(); c != nil && bytes.Contains(b[:n], c.command) {
			of.asked.Store(c)
		}
		if bytes.Contains(b[:n], []byte("SUBSCRIBE\r\n")) {
			of.subscribes.Store(true)
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// replies is requests for the other way.
func (p *Proxy) replies(client, server net.Conn, of *connection) {
	defer p.drop(server, client)
	b := make([]byte, 64<<10)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		// Of several connections whose commands went by, one is broken. A client's
		// keep-alive may be answered in between.
		keepAlive := string(b[:n]) == "+PONG\r\n"
		if c := of.asked.Load(); !keepAlive && c != nil && p.next.CompareAndSwap(c, nil) {
			p.cuts.Add(1)
			client.Write(b[:int(float64(n)*c.part)])
			return
		}
		for of.subscribes.Load() && p.muted.Load() {
			time.Sleep(time.Millisecond)
		}
		if p.pass(client, b[:n]) != nil {
			return
		}
	}
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

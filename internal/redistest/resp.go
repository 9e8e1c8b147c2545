//go:build unix

package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Error is an error reply: "ERR unknown command".
type Error string

func (e Error) Error() string { return string(e) }

// doTimeout bounds a command, so that one to a paused server fails its test
// rather than hang it.
const doTimeout = 20 * time.Second

// Do sends one command and returns its reply: string, int64, []any, nil, or
// Error for an error reply. Without a reply the test ends as failed.
func (s *Server) Do(tb testing.TB, args ...string) any {
	tb.Helper()
	reply, err := s.Call(args...)
	if err != nil {
		tb.Fatalf("redistest: %q: %v", args, err)
	}
	return reply
}

// Call is Do without a testing.TB. err means that no reply came. Commands share
// a connection, one at a time; after an error the next one dials anew.
func (s *Server) Call(args ...string) (reply any, err error) {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.conn == nil {
		if s.conn, err = dial(s.Addr(), doTimeout); err != nil {
			return nil, err
		}
	}
	if reply, err = s.conn.do(args...); err != nil {
		s.conn.Close()
		s.conn = nil
	}
	return reply, err
}

func (s *Server) dropConn() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Subscriber is a connection that subscribes to channels. It is for one goroutine
// at a time.
type Subscriber struct{ conn *conn }

// Subscribe returns a connection that is closed with the test.
func (s *Server) Subscribe(tb testing.TB) *Subscriber {
	tb.Helper()
	c, err := dial(s.Addr(), doTimeout)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(func() { c.Close() })
	return &Subscriber{c}
}

// Swap subscribes to the channel on and then ends the subscription to off, unless
// that is empty. Nothing may be published on either.
func (s *Subscriber) Swap(tb testing.TB, off, on string) {
	tb.Helper()
	_, err := s.conn.do("SUBSCRIBE", on)
	if err == nil && off != "" {
		_, err = s.conn.do("UNSUBSCRIBE", off)
	}
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}

// conn speaks RESP2.
type conn struct {
	net.Conn
	r       *bufio.Reader
	timeout time.Duration
}

func dial(addr string, timeout time.Duration) (*conn, error) {
	c, err := net.DialTimeout("tcp4", addr, timeout)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReader(c), timeout: timeout}, nil
}

func (c *conn) do(args ...string) (any, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	return readReply(c.r)
}

func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("empty reply")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return text, nil
	case '-':
		return Error(text), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("reply %q: %w", line, err)
	}
	switch {
	case kind == ':':
		return n, nil
	case n < 0: // $-1 and *-1
		return nil, nil
	case kind == '$':
		body := make([]byte, n+2)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		return string(body[:n]), nil
	case kind == '*':
		items := make([]any, n)
		for i := range items {
			if items[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
	return nil, fmt.Errorf("reply %q is not RESP2", line)
}

package listener

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// shortage is a listener whose Accept fails as often as it has errors.
type shortage struct {
	net.Listener
	errs []error
}

func (s *shortage) Accept() (net.Conn, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", err)}
	}
	return s.Listener.Accept()
}

func TestAcceptOutlivesShortages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log []string
	c := newCrowd(&shortage{l, []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED}}, 2,
		func(format string, args ...any) { log = append(log, format) })
	defer c.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := c.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if len(log) != 1 || !strings.Contains(log[0], "accepted") {
		t.Errorf("the log has %q", log)
	}

	fatal := newCrowd(&shortage{l, []error{syscall.EINVAL}}, 2, t.Logf)
	if _, err := fatal.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("an error that does not pass: %v", err)
	}
}

// TestSilentMakeRoom has two connections at most: one that has not sent a byte is closed
// for the next; where all have, some more are accepted, to be told.
func TestSilentMakeRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(l, 2, t.Logf)
	defer c.Close()
	connect := func(text string) (client, server net.Conn) {
		t.Helper()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		if server, err = c.Accept(); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			client.Write([]byte(text))
			if _, err := server.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		return client, server
	}
	_, spoken := connect("GET")
	silent, _ := connect("")
	connect("GET")
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection is open")
	}
	connect("GET") // past the limit, and told so
	if n := c.open.Load(); n != 3 {
		t.Errorf("%d are open, not 3", n)
	}
	spoken.Close()
	spoken.Close()
	if n := c.open.Load(); n != 2 {
		t.Errorf("%d are open after one was closed, not 2", n)
	}
}

// script is a listener that repeats errors, nil for a connection, until its end.
type script struct {
	net.Listener
	errs []error
	next int
	end  time.Time
}

func (s *script) Accept() (net.Conn, error) {
	if time.Now().After(s.end) {
		return nil, net.ErrClosed
	}
	err := s.errs[s.next%len(s.errs)]
	s.next++
	if err != nil {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", err)}
	}
	time.Sleep(time.Millisecond)
	conn, _ := net.Pipe()
	return conn, nil
}

// TestOneLineAPeriod has errors of Accept for two minutes and a half, without pause, of
// one kind and of several, between connections and not: three lines each.
func TestOneLineAPeriod(t *testing.T) {
	for _, errs := range [][]error{
		{syscall.EMFILE},
		{syscall.EMFILE, nil},
		{syscall.EMFILE, nil, syscall.ECONNABORTED, nil, nil, syscall.ENOBUFS},
		{syscall.ECONNABORTED, nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log []string
			c := newCrowd(&script{errs: errs, end: time.Now().Add(150 * time.Second)}, 10,
				func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) })
			for {
				conn, err := c.Accept()
				if err != nil {
					break
				}
				conn.Close()
			}
			if len(log) != 3 || !strings.Contains(log[1], " such errors since 1m") {
				t.Errorf("%v: the log has %d lines: %.3q", errs, len(log), log)
			}
		})
	}
}

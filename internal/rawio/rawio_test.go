package rawio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a connection.
func pair(t testing.TB, network, addr string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// TestTransfer sends more than a socket holds both ways at once, in pieces of all sizes.
func TestTransfer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			a, b := pair(t, network, addr)
			sent := make([]byte, 8<<20)
			for i := range sent {
				sent[i] = byte(rand.Uint32())
			}
			var wg sync.WaitGroup
			for _, c := range []net.Conn{a, b} {
				raw := New(c)
				wg.Go(func() {
					for left := sent; len(left) > 0; {
						n := min(len(left), 1+rand.N(1<<20))
						if wrote, err := raw.Write(left[:n]); wrote != n || err != nil {
							t.Errorf("%d of %d bytes: %v", wrote, n, err)
							return
						}
						left = left[n:]
					}
				})
				wg.Go(func() {
					got := make([]byte, len(sent))
					for left := got; len(left) > 0; {
						n, err := raw.Read(left[:min(len(left), 1+rand.N(1<<20))])
						if err != nil || n == 0 {
							t.Errorf("%d bytes: %v", n, err)
							return
						}
						left = left[n:]
					}
					if !bytes.Equal(got, sent) {
						t.Error("what came is not what was sent")
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestErrors are those that a net.Conn returns.
func TestErrors(t *testing.T) {
	a, b := pair(t, "tcp", "127.0.0.1:0")
	raw := New(a)
	p := make([]byte, 1<<20)

	a.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := raw.Read(p); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
		t.Errorf("a read that takes too long: %d, %v", n, err)
	}
	for err := error(nil); !errors.Is(err, os.ErrDeadlineExceeded); {
		if _, err = raw.Write(p); err != nil && !isTimeout(err) { // until nobody takes more
			t.Fatalf("a write that takes too long: %v", err)
		}
	}
	a.SetDeadline(time.Time{})

	b.(*net.TCPConn).SetLinger(0) // so that a Close resets the connection
	b.Close()
	_, theirs := raw.Read(p)
	var operation *net.OpError
	if !errors.Is(theirs, syscall.ECONNRESET) || !errors.As(theirs, &operation) || operation.Op != "read" {
		t.Errorf("a read after a reset: %v", theirs)
	}
	if _, err := raw.Write(p); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a write after a reset: %v", err)
	}

	c, d := pair(t, "tcp", "127.0.0.1:0")
	raw = New(c)
	d.Close()
	if n, err := raw.Read(p); n != 0 || err != io.EOF {
		t.Errorf("a read at the end: %d, %v", n, err)
	}
	c.Close()
	if _, err := raw.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	if _, err := raw.Write(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after Close: %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// TestCloseWakes ends a Read that waits.
func TestCloseWakes(t *testing.T) {
	a, _ := pair(t, "tcp", "127.0.0.1:0")
	raw := New(a)
	time.AfterFunc(10*time.Millisecond, func() { a.Close() })
	if _, err := raw.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it reads %v", err)
	}
}

// TestClosed tells an idle connection from one that has ended.
func TestClosed(t *testing.T) {
	if !supported {
		t.Skip("only Linux knows")
	}
	for name, end := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { c.Close() },
		"spoken": func(c net.Conn) { c.Write([]byte("bye")) },
		"reset":  func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		a, b := pair(t, "tcp", "127.0.0.1:0")
		raw := New(a)
		if raw.Closed() {
			t.Error("an idle connection is said to be closed")
		}
		end(b)
		for deadline := time.Now().Add(10 * time.Second); !raw.Closed(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s: it is not said to be closed", name)
				break
			}
		}
	}
}

// TestOtherConns reads and writes what has no descriptor.
func TestOtherConns(t *testing.T) {
	a, b := net.Pipe()
	raw := New(a)
	go New(b).Write([]byte("hello"))
	p := make([]byte, 10)
	if n, err := raw.Read(p); string(p[:n]) != "hello" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	if raw.Closed() {
		t.Error("it is said to be closed")
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, o := range []struct {
		name string
		of   func(net.Conn) io.ReadWriter
	}{{"net", func(c net.Conn) io.ReadWriter { return c }}, {"rawio", func(c net.Conn) io.ReadWriter { return New(c) }}} {
		b.Run(o.name, func(b *testing.B) {
			x, y := pair(b, "tcp", "127.0.0.1:0")
			near, far := o.of(x), o.of(y)
			go io.Copy(struct{ io.Writer }{far}, struct{ io.Reader }{far})
			p := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				near.Write(p)
				io.ReadFull(near, p)
			}
		})
	}
}

//go:build linux

package listener

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCloseTakesTheQueue closes a listener at which connections wait: each of them comes
// out of Accept, and who comes then hears that nobody listens.
func TestCloseTakesTheQueue(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "unix:" + filepath.Join(t.TempDir(), "s")} {
		l, err := Open(Options{Host: host})
		if err != nil {
			t.Fatal(err)
		}
		dial := func() (net.Conn, error) {
			return net.DialTimeout(l.Addr().Network(), l.Addr().String(), 10*time.Second)
		}
		const waiting = 20
		for range waiting + 1 {
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		if conn, err := l.Accept(); err != nil { // as a server does that is still busy with the first
			t.Fatal(err)
		} else {
			defer conn.Close()
		}
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		<-l.crowd.closing
		accepted := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				if !strings.Contains(err.Error(), "use of closed network connection") { // what fasthttp looks for
					t.Errorf("%s: %v", host, err)
				}
				break
			}
			defer conn.Close()
			accepted++
		}
		if accepted != waiting {
			t.Errorf("%s: %d of %d that waited were accepted", host, accepted, waiting)
		}
		if err := <-closed; err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if _, err := dial(); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%s: after Close: %v", host, err)
		}
	}
}

// TestCloseRefusesMeanwhile has clients come without pause while a listener is closed:
// who gets a connection gets it accepted.
func TestCloseRefusesMeanwhile(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "unix:" + filepath.Join(t.TempDir(), "s")} {
		for range 5 {
			l, err := Open(Options{Host: host})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan bool)
			go func() {
				defer close(served)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conn.Write([]byte("x"))
					conn.Close()
				}
			}()
			const clients = 4
			lost := make(chan error, clients)
			for range clients {
				go func() {
					for n := 0; ; n++ {
						conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
						if err != nil {
							lost <- nil
							return
						}
						_, err = conn.Read(make([]byte, 1))
						conn.Close()
						if err != nil {
							lost <- err
							return
						}
					}
				}()
			}
			time.Sleep(20 * time.Millisecond) // they are at it
			l.Close()
			<-served
			for range clients {
				if err := <-lost; err != nil {
					t.Errorf("%s: a connection that was taken was not accepted: %v", host, err)
				}
			}
		}
	}
}

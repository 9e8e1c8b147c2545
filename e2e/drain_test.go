package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// busyClient asks without pause until the server is gone.
type busyClient struct {
	network, addr string
	// redials: it has a connection for each request. Else it keeps one until it hears
	// Connection: close, and takes another then.
	redials bool
	asked   atomic.Int64
}

// run returns when nobody listens any more, with an error if a request on a connection
// that it had was not answered.
func (c *busyClient) run() error {
	for {
		conn, err := net.DialTimeout(c.network, c.addr, patience)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
			return nil
		} else if err != nil {
			return err
		}
		err = c.use(conn)
		conn.Close()
		if err != nil {
			return err
		}
	}
}

// use asks until the answer says that the connection is closed, once if the client redials.
func (c *busyClient) use(conn net.Conn) error {
	answers := bufio.NewReader(conn)
	for closes := false; !closes; {
		conn.SetDeadline(time.Now().Add(patience))
		n := c.asked.Add(1)
		if _, err := io.WriteString(conn, "GET /app/activity?dt=60 HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
			return fmt.Errorf("request %d cannot be sent: %w", n, err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return fmt.Errorf("request %d was not answered: %w", n, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(body) != `{"activity":0}` {
			return fmt.Errorf("request %d was answered %d %s, %v", n, resp.StatusCode, body, err)
		}
		closes = resp.Close || c.redials
	}
	return nil
}

// TestDrainLosesNothing ends a server that has busy clients: four keep their connections
// and take others when they are told to close, four have one for each request. Until the
// server refuses connections, each request is answered.
func TestDrainLosesNothing(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "unix:" + filepath.Join(t.TempDir(), "s")} {
		p := start(t, "RS_HOST="+host, "RS_STORE=embedded")
		network, addr := "tcp", strings.TrimPrefix(p.url, "http://")
		if path, ok := strings.CutPrefix(host, "unix:"); ok {
			network, addr = "unix", path
		}
		var clients []*busyClient
		var running sync.WaitGroup
		for i := range 8 {
			c := &busyClient{network: network, addr: addr, redials: i%2 == 0}
			clients = append(clients, c)
			running.Go(func() {
				if err := c.run(); err != nil {
					t.Errorf("%s, redials %v: %v", host, c.redials, err)
				}
			})
		}
		all := func(asked int64) {
			t.Helper()
			for begun := time.Now(); ; time.Sleep(time.Millisecond) {
				busy := true
				for _, c := range clients {
					busy = busy && c.asked.Load() >= asked
				}
				if busy {
					return
				}
				if time.Since(begun) > patience {
					t.Fatal("a client is not busy")
				}
			}
		}
		all(100)
		p.cmd.Process.Signal(syscall.SIGTERM)
		running.Wait()
		if code := p.wait(); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", host, code, p.log())
		}
		var asked int64
		for _, c := range clients {
			asked += c.asked.Load()
		}
		t.Logf("%s: %d requests, all answered", host, asked)
	}
}

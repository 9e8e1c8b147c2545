package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTerminate ends a server while a request is on its way, and asks it in its grace.
func TestTerminate(t *testing.T) {
	for range 5 {
		if terminate(t) {
			return
		}
	}
	t.Error("the machine stood still in each grace")
}

// terminate returns false if the grace had passed before all could be asked.
func terminate(t *testing.T) (inGrace bool) {
	t.Helper()
	const grace = 2 * time.Second // serve.go's
	p := start(t, "RS_STORE=embedded")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\"")
	p.expect("GET", "/readyz", 200, "ok")
	signalled := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status := 200
	for status == 200 && time.Since(signalled) < grace {
		status, _ = p.do("GET", "/readyz")
	}
	activity, body := p.do("GET", "/app/activity?dt=60")
	if time.Since(signalled) >= grace {
		return false
	}
	if status != 503 || activity != 200 || body != `{"activity":0}` {
		t.Errorf("in the grace /readyz answers %d, and an activity %d %s", status, activity, body)
	}
	io.WriteString(conn, ":1}")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request on its way got no answer: %v", err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
		t.Errorf("the request on its way got %d %s", resp.StatusCode, body)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
	}
	if status, _ := p.do("GET", "/livez"); status != 0 {
		t.Errorf("the ended server answers %d", status)
	}
	return true
}

func TestInterrupt(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
	}
}

// TestAccessLog ends with the log written.
func TestAccessLog(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL=tiny")
	token := "abcdef" + strings.Repeat("Z", 58)
	p.do("GET", "/app/get/"+token)
	p.do("GET", "/ping")
	p.cmd.Process.Signal(os.Interrupt)
	p.wait()
	if out := p.output(); !strings.HasPrefix(out, "GET /app/get/abcdef... 200 2 - ") || strings.Count(out, "\n") != 1 {
		t.Errorf("the log is %q", out)
	}
}

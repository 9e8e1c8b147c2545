package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestMaxLists has one list more in flight than RS_MAX_LISTS.
func TestMaxLists(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_MAX_LISTS=1")
	// A list of 12 MB, more than the system's buffers of a connection hold.
	body := `{"a":"` + strings.Repeat("x", 50_000) + `"}`
	for i := range 240 {
		req, err := http.NewRequest("PUT", fmt.Sprintf("%s/app/create/user%d?ip=::1", p.url, i), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprint(conn, "GET /app/soapp?dt=600 HTTP/1.1\r\nHost: t\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if status, body := p.do("GET", "/app/soid/nobody"); status != 503 || !strings.Contains(body, `"overloaded"`) {
		t.Errorf("a second list answers %d %s", status, body)
	}
	conn.Close()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if status, _ := p.do("GET", "/app/soid/nobody"); status == 200 {
			break
		}
		if time.Since(begin) > patience {
			t.Fatal("the list of a client that has gone is still in flight")
		}
	}
}

package handlers

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestMalformedRequests(t *testing.T) {
	w := serveEmbedded(t)
	head := "GET /ping HTTP/1.1\r\nHost: test\r\n"
	w.expectError(w.raw("GET", head+"X: "+strings.Repeat("x", 2*maxHeadSize)+"\r\n\r\n"), 431, "headersTooLarge", "")
	w.expectError(w.raw("GET", "GET /"+strings.Repeat("x", 2*maxHeadSize)+" HTTP/1.1\r\nHost: test\r\n\r\n"), 431, "headersTooLarge", "")
	w.expectError(w.raw("GET", "nonsense\r\n\r\n"), 400, "badRequest", "")
	w.expectError(w.raw("PUT", "PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n"), 400, "badRequest", "")
	big := fmt.Sprintf("PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", maxBodySize+1)
	w.expectError(w.raw("PUT", big), 413, "bodyTooLarge", "")
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")
}

// TestTooManyConnections opens one more than are served.
func TestTooManyConnections(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	api.maxConnections = 2
	w := serveAPI(t, api)
	var conns []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		// An answer shows that the server has seen the connection.
		io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	w.expectError(w.do("GET", "/livez", ""), 503, "tooManyConnections", "")
	conns[0].Close()
	for deadline := time.Now().Add(exchangeTimeout); w.do("GET", "/livez", "").status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection still counts")
		}
	}
	if metrics := w.do("GET", "/metrics", "").body; strings.Contains(metrics, `rest_sessions_shed_total{reason="connections"} 0`) {
		t.Error("what was refused is not counted")
	}
}

// TestKeepAlive sends two requests at once on one connection.
func TestKeepAlive(t *testing.T) {
	w := serveEmbedded(t)
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /app/get/"+aToken+" HTTP/1.1\r\nHost: test\r\n\r\nGET /app/activity?dt=10 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got); strings.Count(text, "HTTP/1.1 200 OK") != 2 || !strings.Contains(text, "\r\n\r\n{}") || !strings.HasSuffix(text, `{"activity":0}`) {
		t.Errorf("answered %q", got)
	}
}

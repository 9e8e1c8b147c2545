package handlers

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"rest-sessions/store"
)

// timedLists makes a list of a number of chunks, of one big session each, and waits
// before each of them.
type timedLists struct {
	store.Store
	chunks int
	wait   time.Duration
}

func (s timedLists) SessionsOfApp(context.Context, string, int64) store.List {
	return &timedList{lists: s}
}

type timedList struct {
	lists timedLists
	chunk int
}

// timedData is of a size that a few fill the buffers of a connection.
var timedData = `{"a":"` + strings.Repeat("x", 60_000) + `"}`

func (p *timedList) Next(context.Context) ([]store.Session, error) {
	if p.chunk++; p.chunk > p.lists.chunks {
		return nil, io.EOF
	}
	time.Sleep(p.lists.wait)
	return []store.Session{{ID: "id", D: timedData}}, nil
}

// TestSlowList reads a list that takes longer than the time for an answer: it was cut
// off after that.
func TestSlowList(t *testing.T) {
	t.Parallel()
	api := New(timedLists{still(), 6, 700 * time.Millisecond}, Options{})
	api.writeTimeout = 3 * time.Second // a loaded machine may stand still for less
	w := serveAPI(t, api)
	a := w.do("GET", "/app/soapp?dt=60", "")
	if n := strings.Count(a.body, timedData); n != 6 || !strings.HasSuffix(a.body, listTail) {
		t.Errorf("%d of 6 sessions, ending in %q", n, a.body[max(0, len(a.body)-20):])
	}
}

// TestListNobodyTakes asks for a list and takes nothing of it.
func TestListNobodyTakes(t *testing.T) {
	t.Parallel()
	const chunks = 100_000
	api := New(timedLists{still(), chunks, 0}, Options{})
	api.writeTimeout = 200 * time.Millisecond
	w := serveAPI(t, api)
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	fmt.Fprint(conn, "GET /app/soapp?dt=60 HTTP/1.1\r\nHost: test\r\n\r\n")
	for begin := time.Now(); w.server.GetOpenConnectionsCount() > 0 || time.Since(begin) < api.writeTimeout; time.Sleep(time.Millisecond) {
		if time.Since(begin) > exchangeTimeout {
			t.Fatal("the connection is still open")
		}
	}
	got, _ := io.Copy(io.Discard, conn)
	if got == 0 || got >= int64(chunks*len(timedData)) {
		t.Errorf("%d bytes were sent", got)
	}
}

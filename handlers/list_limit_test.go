package handlers

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// slowReader asks for a list and takes no more of it than its head. The list is in flight
// then, if it is longer than what the buffers of a connection hold.
func (w *site) slowReader(path string) net.Conn {
	w.tb.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: test\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1), nil)
	if err != nil || resp.StatusCode != 200 {
		w.tb.Fatalf("a list answers %v, %v", resp, err)
	}
	return conn
}

// noneInFlight waits until no list is.
func (w *site) noneInFlight() {
	w.tb.Helper()
	for begin := time.Now(); w.api.lists.inFlight.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > exchangeTimeout {
			w.tb.Fatalf("%d lists are in flight", w.api.lists.inFlight.Load())
		}
	}
}

// TestListsInFlight has as many lists streamed to clients that do not read as may be: the
// next hears so, of each route, until one of the clients has gone.
func TestListsInFlight(t *testing.T) {
	const most = 3
	api := New(timedLists{still(), 100_000, 0}, Options{Metrics: NewMetrics("test"), MaxLists: most})
	w := serveAPI(t, api)
	token := w.create("app", "id", "ip=::1", "")
	var readers []net.Conn
	for range most {
		readers = append(readers, w.slowReader("/app/soapp?dt=60"))
	}
	for _, path := range []string{"/app/soapp?dt=60", "/app/soapp?dt=60&limit=1", "/app/soid/id", "/app/soid/id?limit=1"} {
		w.expectError(w.do("GET", path, ""), 503, "overloaded", "")
	}
	// All else is served, and a request that is wrong hears so.
	w.expectError(w.do("GET", "/app/soapp?dt=x", ""), 400, "invalidValue", "")
	if a := w.do("GET", "/app/get/"+token, ""); a.status != 200 {
		t.Errorf("a get answers %d %s", a.status, a.body)
	}
	if a := w.do("GET", "/metrics", ""); !strings.Contains(a.body, "\nrest_sessions_lists_in_flight 3\n") || !strings.Contains(a.body, "\nrest_sessions_shed_total{reason=\"lists\"} 4\n") {
		t.Error("/metrics does not tell of three lists in flight")
	}
	readers[0].Close()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if a := w.do("GET", "/app/soid/id", ""); a.status == 200 {
			break
		}
		if time.Since(begin) > exchangeTimeout {
			t.Fatal("a client has gone, and its list is still in flight")
		}
	}
	if n := api.lists.inFlight.Load(); n != most-1 {
		t.Errorf("%d lists are in flight, not %d", n, most-1)
	}
	for _, r := range readers {
		r.Close()
	}
	w.noneInFlight()
}

// panicsAt panics at a chunk of a list of big sessions.
type panicsAt struct {
	store.Store
	chunk int
}

func (s panicsAt) SessionsOfApp(context.Context, string, int64) store.List {
	return &panicList{at: s.chunk}
}

type panicList struct{ chunk, at int }

func (p *panicList) Next(context.Context) ([]store.Session, error) {
	if p.chunk++; p.chunk == p.at {
		panic("a chunk")
	}
	return []store.Session{{ID: "id", D: timedData}}, nil
}

// TestListsEnd lets lists end in every way, more often than may be in flight: none stays.
func TestListsEnd(t *testing.T) {
	ask := func(w *site, path string, status int, whole bool) {
		t.Helper()
		for range 3 {
			resp, err := http.Get("http://" + w.addr + path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != status || (err == nil) != whole {
				t.Errorf("%s answers %d, reading the body: %v", path, resp.StatusCode, err)
			}
			w.noneInFlight()
		}
	}
	one := func(s store.Store) *site {
		api := New(s, Options{MaxLists: 1})
		return serveAPI(t, api)
	}
	faulty := storetest.NewFaulty(timedLists{still(), 50, 0})
	w := one(faulty)
	ask(w, "/app/soid/id", 200, true)
	ask(w, "/app/soid/id?limit=5", 200, true)
	ask(w, "/app/soid/id?limit=5&cursor=x", 400, true)
	ask(w, "/app/soapp?dt=60", 200, true)
	faulty.FailNext("SessionsOfApp", 1, store.ErrUnavailable)
	ask(w, "/app/soapp?dt=60", 503, true)
	faulty.FailNext("SessionsOfApp", 9, store.ErrUnavailable)
	ask(w, "/app/soapp?dt=60", 200, false)
	ask(one(panicsAt{still(), 1}), "/app/soapp?dt=60", 500, true)
	ask(one(panicsAt{still(), 9}), "/app/soapp?dt=60", 200, false)
}

package handlers

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/handlers/listener"
	"rest-sessions/internal/testcert"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// smallLists makes a list of a number of chunks, of one session of 1 KiB each.
type smallLists struct {
	store.Store
	chunks int
}

func (s smallLists) SessionsOfApp(context.Context, string, int64) store.List {
	return &smallList{left: s.chunks}
}

type smallList struct{ left int }

func (p *smallList) Next(context.Context) ([]store.Session, error) {
	if p.left == 0 {
		return nil, io.EOF
	}
	p.left--
	return []store.Session{{ID: "id", D: `{"a":"` + strings.Repeat("x", 1<<10) + `"}`}}, nil
}

// socket is a connection to the site, read as bytes.
func (w *site) socket() (net.Conn, *bufio.Reader) {
	w.tb.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	return conn, bufio.NewReader(conn)
}

// readHead reads an answer's head as it is sent.
func (w *site) readHead(r *bufio.Reader) string {
	w.tb.Helper()
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			w.tb.Fatalf("after %q: %v", head.String(), err)
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String()
		}
	}
}

const (
	listRequest    = "GET /app/soapp?dt=60 HTTP/"
	countRequest   = "GET /app/activity?dt=60 HTTP/1.1\r\nHost: t\r\n\r\n"
	keepAliveLines = "\r\nHost: t\r\nConnection: keep-alive\r\n\r\n"
)

// TestListFraming asks for lists of several lengths in both versions of HTTP, and looks
// at how each says where it ends.
func TestListFraming(t *testing.T) {
	fits, tooLong := listBuffer/1100, listBuffer/1024+8
	for _, c := range []struct {
		version, headers string
		chunks           int
		want             string // "length", "chunks" or "close"
		open             bool   // afterwards
	}{
		{"1.1", "\r\nHost: t\r\n\r\n", 1, "length", true},
		{"1.1", "\r\nHost: t\r\n\r\n", fits, "length", true},
		{"1.1", "\r\nHost: t\r\nConnection: close\r\n\r\n", fits, "length", false},
		{"1.1", "\r\nHost: t\r\n\r\n", tooLong, "chunks", true},
		{"1.1", "\r\nHost: t\r\n\r\n", 3000, "chunks", true},
		{"1.0", "\r\n\r\n", 1, "length", false},
		{"1.0", "\r\n\r\n", fits, "length", false},
		{"1.0", keepAliveLines, fits, "length", true},
		{"1.0", "\r\n\r\n", tooLong, "close", false},
		{"1.0", keepAliveLines, tooLong, "close", false},
		{"1.0", "\r\n\r\n", 3000, "close", false},
	} {
		t.Run(fmt.Sprintf("HTTP %s %d %q", c.version, c.chunks, c.headers), func(t *testing.T) {
			w := serve(t, smallLists{still(), c.chunks})
			conn, r := w.socket()
			fmt.Fprint(conn, listRequest+c.version+c.headers)
			head := w.readHead(r)
			has := func(line string) bool { return strings.Contains(head, "\r\n"+line) }
			if has("Content-Length: ") != (c.want == "length") || has("Transfer-Encoding: chunked\r\n") != (c.want == "chunks") ||
				c.want == "close" && (has("Transfer-Encoding") || has("Connection: keep-alive") || !has("Connection: close\r\n")) {
				t.Errorf("the head is %q, not with %s", head, c.want)
			}
			resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(head), r)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Close == c.open {
				t.Errorf("Connection: close is %v", resp.Close)
			}
			if !c.open {
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				wholeList(t, string(body), c.chunks)
				if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the list: %v", err)
				}
				w.noneInFlight()
				return
			}
			conn, r = w.socket() // readers above may hold more than the list
			fmt.Fprint(conn, listRequest+c.version+c.headers)
			resp, err = http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			wholeList(t, string(body), c.chunks)
			fmt.Fprint(conn, countRequest)
			if resp, err = http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
				t.Errorf("a request after the list: %v", err)
			}
			w.noneInFlight()
		})
	}
}

func wholeList(t *testing.T, body string, sessions int) {
	t.Helper()
	if n := strings.Count(body, `"id":"id"`); n != sessions || !strings.HasPrefix(body, listHead) || !strings.HasSuffix(body, listTail) {
		t.Errorf("%d of %d sessions, from %.20q to %q", n, sessions, body, body[max(0, len(body)-20):])
	}
}

// TestBrokenListHTTP10 has lists break off, which over HTTP/1.0 a close would hide.
func TestBrokenListHTTP10(t *testing.T) {
	faulty := storetest.NewFaulty(smallLists{still(), 3000})
	faulty.FailNext("SessionsOfApp", 900, store.ErrUnavailable)
	for name, s := range map[string]store.Store{"fails": faulty, "panics": panicsAt{still(), 9}} {
		api := New(s, Options{MaxLists: 1})
		w := serveAPI(t, api)
		for range 3 {
			conn, r := w.socket()
			fmt.Fprint(conn, listRequest+"1.0\r\n\r\n")
			body, err := io.ReadAll(r)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: after %d bytes: %v, not a reset", name, len(body), err)
			}
			if strings.HasSuffix(string(body), listTail) {
				t.Errorf("%s: the list has its tail", name)
			}
			w.noneInFlight()
		}
	}
	// Over TLS the end of the connection is not said either.
	authority := testcert.New(t)
	o := listener.Options{Host: "127.0.0.1"}
	o.Cert, o.Key = authority.Issue("server", "localhost")
	door, err := listener.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	faulty.FailNext("SessionsOfApp", 900, store.ErrUnavailable)
	w := serveOn(t, New(faulty, Options{}), door)
	conn, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	fmt.Fprint(conn, listRequest+"1.0\r\n\r\n")
	if body, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("TLS: after %d bytes: %v, not a reset", len(body), err)
	}
	w.noneInFlight()

	// Within the first 64 KiB nothing has been sent yet: that is an error in both versions.
	faulty = storetest.NewFaulty(smallLists{still(), 3000})
	faulty.FailNext("SessionsOfApp", 9, store.ErrUnavailable)
	w = serve(t, faulty)
	for _, version := range []string{"1.0", "1.1"} {
		conn, r := w.socket()
		fmt.Fprint(conn, listRequest+version+"\r\nHost: t\r\n\r\n")
		if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 503 {
			t.Errorf("HTTP/%s: %v %v", version, resp, err)
		}
	}
}

// TestPipelinedListHTTP10 asks for a list behind another request, and sends more after it:
// the answers come in order and the list whole.
func TestPipelinedListHTTP10(t *testing.T) {
	door, err := listener.Open(listener.Options{Host: "127.0.0.1"}) // it can linger
	if err != nil {
		t.Fatal(err)
	}
	w := serveOn(t, New(smallLists{still(), 3000}, Options{}), door)
	conn, r := w.socket()
	fmt.Fprint(conn, countRequest+listRequest+"1.0\r\n\r\n"+countRequest+strings.Repeat("x", 20<<10))
	for i := range 2 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("answer %d: %v", i, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if i == 1 {
			wholeList(t, string(body), 3000)
		}
	}
}

// TestSlowReaderHTTP10 has a client take nothing: the list is cut off after the time for
// an answer, counts as in flight until then, and a shutdown waits for it.
func TestSlowReaderHTTP10(t *testing.T) {
	api := New(timedLists{still(), 100_000, 0}, Options{MaxLists: 1})
	api.writeTimeout = 300 * time.Millisecond
	w := serveAPI(t, api)
	conn, r := w.socket()
	fmt.Fprint(conn, listRequest+"1.0\r\n\r\n")
	w.readHead(r)
	w.expectError(w.do("GET", "/app/soapp?dt=60", ""), 503, "overloaded", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := api.WaitLists(ctx); err == nil {
		t.Error("WaitLists does not wait for a list in flight")
	}
	w.noneInFlight()
	if err := api.WaitLists(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSlowListHTTP10 reads a list that takes longer than the time for an answer.
func TestSlowListHTTP10(t *testing.T) {
	t.Parallel()
	api := New(timedLists{still(), 6, 350 * time.Millisecond}, Options{})
	api.writeTimeout = time.Second
	w := serveAPI(t, api)
	conn, r := w.socket()
	fmt.Fprint(conn, listRequest+"1.0\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if n := strings.Count(string(body), timedData); err != nil || n != 6 {
		t.Errorf("%d of 6 sessions: %v", n, err)
	}
}

// TestListOfLostConnection has connections fail before the list has been given its own: the
// write of the answer before it fails, as the client has reset the connection.
func TestListOfLostConnection(t *testing.T) {
	s := &gate{Store: still(), entered: make(chan bool), open: make(chan bool)}
	api := New(s, Options{MaxLists: 1})
	w := serveAPI(t, api)
	for range 20 {
		conn, _ := w.socket()
		fmt.Fprint(conn, countRequest+listRequest+"1.0\r\n\r\n")
		<-s.entered
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		s.open <- true
		w.noneInFlight()
	}
}

// gate lets lists wait before their first chunk.
type gate struct {
	store.Store
	entered, open chan bool
}

func (g *gate) SessionsOfApp(context.Context, string, int64) store.List {
	g.entered <- true
	<-g.open
	return &timedList{lists: timedLists{chunks: 100}}
}

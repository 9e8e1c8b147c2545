package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"rest-sessions/store"
	"rest-sessions/store/embedded"
)

// site is a server on loopback and a connection to it.
type site struct {
	tb     testing.TB
	addr   string
	api    *API
	server *fasthttp.Server
	log    safeLog
}

// safeLog collects log lines from any goroutine.
type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts a server on s and ends it with the test.
func serve(tb testing.TB, s store.Store) *site {
	tb.Helper()
	return serveAPI(tb, New(s, Options{Metrics: NewMetrics("test")}))
}

// serveAPI starts a server of an API, which it lets log to the site's log.
func serveAPI(tb testing.TB, api *API) *site {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveOn(tb, api, listener)
}

// serveOn is serveAPI on a listener of the caller's.
func serveOn(tb testing.TB, api *API, listener net.Listener) *site {
	tb.Helper()
	w := &site{tb: tb, addr: listener.Addr().String(), api: api}
	api.logf, api.sources.Logf = w.log.printf, w.log.printf
	server := w.api.Server(w.api.Handler())
	w.server = server
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	tb.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			tb.Error(err)
		}
		listener.Close() // a Serve that begins only now ends at once
		if err := <-ended; err != nil {
			tb.Error(err)
		}
		api.store.Close()
	})
	return w
}

// still returns an embedded store whose clock stands still.
func still() store.Store {
	return embedded.New(embedded.Options{Now: func() int64 { return 1_700_000_000 }})
}

// serveEmbedded starts a server on an embedded store whose clock stands still.
func serveEmbedded(tb testing.TB) *site { return serve(tb, still()) }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// exchangeTimeout bounds one request of a test.
const exchangeTimeout = 30 * time.Second

// raw sends text on a connection of its own and reads one answer to method, which must
// be as openapi.json says.
func (w *site) raw(method, text string) answer {
	w.tb.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	if _, err := io.WriteString(conn, text); err != nil {
		w.tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		w.tb.Fatalf("%.80q: %v", text, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.tb.Fatalf("%.80q: %v", text, err)
	}
	a := answer{resp.StatusCode, resp.Header, string(body)}
	line, _, _ := strings.Cut(text, "\r\n")
	w.described(method, line, a)
	return a
}

// described wants an answer to be as openapi.json says.
func (w *site) described(method, requestLine string, a answer) {
	w.tb.Helper()
	if problem := described().problem(method, requestLine, a); problem != "" {
		w.tb.Error(problem)
	}
}

// do sends a request with a JSON body, unless that is empty. The path goes out as
// it is.
func (w *site) do(method, path, body string, headers ...string) answer {
	w.tb.Helper()
	text := method + " " + path + " HTTP/1.1\r\nHost: test\r\n"
	if body != "" && len(headers) == 0 {
		headers = []string{"Content-Type: application/json"}
	}
	for _, h := range headers {
		text += h + "\r\n"
	}
	if body != "" || method == "PUT" || method == "POST" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return w.raw(method, text+"\r\n"+body)
}

// create starts a session and returns its token.
func (w *site) create(app, id, query, body string) string {
	w.tb.Helper()
	a := w.do("PUT", "/"+app+"/create/"+id+"?"+query, body)
	var reply struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || a.status != 200 || !store.ValidToken(reply.Token) {
		w.tb.Fatalf("create: %d %s", a.status, a.body)
	}
	return reply.Token
}

// expect checks an answer's status and body.
func (w *site) expect(a answer, status int, body string) {
	w.tb.Helper()
	if a.status != status || a.body != body {
		w.tb.Errorf("answered %d %.500s, not %d %.500s", a.status, a.body, status, body)
	}
}

// expectError checks that an answer is an error of ours.
func (w *site) expectError(a answer, status int, name, message string) {
	w.tb.Helper()
	var e struct{ Name, Message string }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		w.tb.Errorf("answered %d %q: %v", a.status, a.body, err)
		return
	}
	if a.status != status || e.Name != name || message != "" && e.Message != message {
		w.tb.Errorf("answered %d %s, not %d %s %s", a.status, a.body, status, name, message)
	}
	if got := a.header.Get("Content-Type"); got != contentTypeJSON {
		w.tb.Errorf("an error has Content-Type %q", got)
	}
	if got := a.header.Get("Retry-After"); (got != "") != (status == 503 || status == 429) {
		w.tb.Errorf("status %d has Retry-After %q", status, got)
	}
	if got := a.header.Get("Www-Authenticate"); got != map[bool]string{true: "Bearer"}[name == "unauthorized"] {
		w.tb.Errorf("status %d has WWW-Authenticate %q", status, got)
	}
}

// TestServeUnasked ends servers that nobody has asked: Shutdown may come before Serve.
func TestServeUnasked(t *testing.T) {
	for range 50 {
		t.Run("", func(t *testing.T) { serveEmbedded(t) })
	}
}

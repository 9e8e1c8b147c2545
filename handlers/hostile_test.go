package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// hostileTimeout is what servers give those who are slow on purpose: short, so that the
// test is, and long against the steps of trickle, and against the time that a loaded machine
// needs to answer all.
const hostileTimeout = 4 * time.Second

// hostile is an input that somebody sends who knows HTTP, or does not.
type hostile struct {
	input  string // as the README calls it
	method string // of its first request, for how the answer ends; GET when empty
	text   string // what is sent
	// act, instead of text, sends at its own pace until the connection ends.
	act func(conn net.Conn)
}

// Parts of hostile inputs.
const (
	getLine  = "GET /hostile/activity?dt=60 HTTP/1.1\r\n"
	getHead  = getLine + "Host: t\r\n"
	getDash  = "GET /hostile/get/- HTTP/1.1\r\nHost: t\r\n"
	putLine  = "PUT /hostile/create/id?ip=::1 HTTP/1.1\r\n"
	putHead  = putLine + "Host: t\r\nContent-Type: application/json\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n\r\n"
	smuggled = "PUT /hostile/create/smuggled?ip=::1 HTTP/1.1\r\nHost: t\r\n\r\n"
)

func hostiles() []hostile {
	long := strings.Repeat("x", 2*maxHeadSize)
	return []hostile{
		// Where a request ends.
		{input: "`Content-Length` and `Transfer-Encoding: chunked`", text: putHead + "Content-Length: 7\r\n" + chunked + "7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "the same, the other way round, with a second request in the body", text: putHead + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled},
		{input: "two `Content-Length`, equal", text: putHead + "Content-Length: 7\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
		{input: "two `Content-Length`, different", text: putHead + "Content-Length: 7\r\nContent-Length: 0\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length: 7, 7`", text: putHead + "Content-Length: 7, 7\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length: +7`", text: putHead + "Content-Length: +7\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length: -7`", text: putHead + "Content-Length: -7\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length: 0x7`", text: putHead + "Content-Length: 0x7\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length` over 2^64", text: putHead + "Content-Length: 99999999999999999999\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length :`, a space before the colon", text: putHead + "Content-Length : 7\r\n\r\n{\"a\":1}"},
		{input: "`Content-Length` and less, then the end", text: putHead + "Content-Length: 7000\r\n\r\n{\"a\":1}"},
		{input: "`Transfer-Encoding: identity`", text: putHead + "Transfer-Encoding: identity\r\n\r\n{\"a\":1}"},
		{input: "`Transfer-Encoding: identity` and `Content-Length`", text: putHead + "Transfer-Encoding: identity\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
		{input: "`Transfer-Encoding: gzip, chunked`", text: putHead + "Transfer-Encoding: gzip, chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "`Transfer-Encoding: chunked`, twice", text: putHead + "Transfer-Encoding: chunked\r\n" + chunked + "7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "`Transfer-Encoding: xchunked`", text: putHead + "Transfer-Encoding: xchunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "`Transfer-Encoding: chunked` in HTTP/1.0", text: strings.Replace(putHead, "1.1", "1.0", 1) + chunked + "7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "chunks, with an extension and a trailer", text: putHead + chunked + "7;a=\"b\"\r\n{\"a\":1}\r\n0\r\nX: y\r\n\r\n"},
		{input: "chunks, but none before the last: an empty body", text: putHead + chunked + "0\r\n\r\n"},
		{input: "a chunk size that ends in LF alone", text: putHead + chunked + "7\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "a chunk without its last CRLF", text: putHead + chunked + "7\r\n{\"a\":1}0\r\n\r\n"},
		{input: "a chunk size of `-7`", text: putHead + chunked + "-7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "a chunk size of `0x7`", text: putHead + chunked + "0x7\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "a chunk size over 2^64", text: putHead + chunked + "fffffffffffffffff\r\n{\"a\":1}\r\n0\r\n\r\n"},
		{input: "`Authorization` in a trailer", text: putHead + chunked + "7\r\n{\"a\":1}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"},
		{input: "a `GET` with a body that looks like a request", text: getHead + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled},
		{input: "a `GET` with a chunked body", text: getHead + chunked + "5\r\nHELLO\r\n0\r\n\r\n"},
		{input: "a `HEAD` with a body", method: "HEAD", text: "HEAD /livez HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nHELLO"},
		{input: "three requests at once", text: getHead + "\r\n" + putHead + "Content-Length: 7\r\n\r\n{\"a\":1}" + getHead + "\r\n"},
		{input: "two requests at once, and one that is none between them", text: getHead + "\r\nnonsense\r\n\r\n" + getHead + "\r\n"},

		// Lines and bytes.
		{input: "a header line that ends in LF alone", text: getLine + "Host: t\nX: y\r\n\r\n"},
		{input: "a head that ends in CRLF LF", text: getHead + "\n"},
		{input: "a request line that ends in LF alone", text: strings.Replace(getHead, "\r\n", "\n", 1) + "\r\n"},
		{input: "a whole head with LF alone", text: strings.ReplaceAll(getHead, "\r\n", "\n") + "\n"},
		{input: "a bare CR in a value", text: getHead + "X: a\rb\r\n\r\n"},
		{input: "a bare CR in the target", text: strings.Replace(getHead, "activity", "acti\rvity", 1) + "\r\n"},
		{input: "a null byte in a value", text: getHead + "X: a\x00b\r\n\r\n"},
		{input: "a null byte in a name", text: getHead + "X\x00: a\r\n\r\n"},
		{input: "a null byte in the target", text: strings.Replace(getHead, "activity", "acti\x00vity", 1) + "\r\n"},
		{input: "a null byte in the method", text: "G\x00" + getHead[1:] + "\r\n"},
		{input: "a value that goes on in the next line (obs-fold)", text: getHead + "X: a\r\n b\r\n\r\n"},
		{input: "a first header line that begins with a space", text: getLine + " Host: t\r\n\r\n"},
		{input: "a header line without a colon", text: getHead + "nonsense\r\n\r\n"},
		{input: "a header without a name", text: getHead + ": a\r\n\r\n"},
		{input: "a space in a name", text: getHead + "X Y: a\r\n\r\n"},
		{input: "two spaces in the request line", text: strings.Replace(getHead, " ", "  ", 1) + "\r\n"},
		{input: "a space in the target", text: strings.Replace(getHead, "activity", "acti vity", 1) + "\r\n"},
		{input: "empty lines, then a request", text: "\r\n\r\n" + getHead + "\r\n"},
		{input: "a TLS handshake", text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x9c", 500)},
		{input: "1,000 null bytes", text: strings.Repeat("\x00", 1000)},

		// Versions, targets, hosts.
		{input: "HTTP/0.9", text: "GET /hostile/activity?dt=60\r\n"},
		{input: "HTTP/1.0 without `Host`", text: "GET /hostile/activity?dt=60 HTTP/1.0\r\n\r\n"},
		{input: "HTTP/1.0 with `Connection: keep-alive`", text: "GET /hostile/activity?dt=60 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
		{input: "HTTP/1.2", text: strings.Replace(getHead, "1.1", "1.2", 1) + "\r\n"},
		{input: "HTTP/2.0 in the request line", text: strings.Replace(getHead, "1.1", "2.0", 1) + "\r\n"},
		{input: "the preface of HTTP/2", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{input: "`Upgrade: h2c`", text: getHead + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"},
		{input: "no `Host`", text: getLine + "\r\n"},
		{input: "two `Host`", text: getHead + "Host: u\r\n\r\n"},
		{input: "`Host: a b`", text: getLine + "Host: a b\r\n\r\n"},
		{input: "`GET http://host/…`", text: strings.Replace(getHead, "/hostile", "http://other/hostile", 1) + "\r\n"},
		{input: "`GET ftp://host/…`", text: strings.Replace(getHead, "/hostile", "ftp://other/hostile", 1) + "\r\n"},
		{input: "`GET http:///…`", text: strings.Replace(getHead, "/hostile", "http:///hostile", 1) + "\r\n"},
		{input: "`GET path`, without a slash", text: strings.Replace(getHead, "/hostile", "hostile", 1) + "\r\n"},
		{input: "`GET *`", text: "GET * HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`OPTIONS *`", text: "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`CONNECT host:443`", text: "CONNECT t:443 HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`TRACE`", text: "TRACE" + getHead[3:] + "\r\n"},
		{input: "`get`", text: "get" + getHead[3:] + "\r\n"},
		{input: "`%zz` in a path", text: "GET /hostile/soid/%zz HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`%` at the end of a path", text: "GET /hostile/soid/a% HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`%c0%af`, a slash in overlong UTF-8", text: "GET /hostile/soid/%c0%af HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "a byte of 0xff in a path", text: "GET /hostile/soid/\xff HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`%00` in an id, which may hold any text", text: "GET /hostile/soid/%00 HTTP/1.1\r\nHost: t\r\n\r\n"},
		{input: "`/x/../` in a path", text: strings.Replace(getHead, "/hostile", "/x/../hostile", 1) + "\r\n"},

		// The token in the head.
		{input: "`X-Session-Token`, twice", text: getDash + "X-Session-Token: " + aToken + "\r\nX-Session-Token: " + aToken + "\r\n\r\n"},
		{input: "`X-Session-Token` in a trailer", text: getDash + chunked + "1\r\nx\r\n0\r\nX-Session-Token: " + aToken + "\r\n\r\n"},
		{input: "`X_Session_Token` and `X-Session-Token: ` with nothing", text: getDash + "X_Session_Token: " + aToken + "\r\nX-Session-Token: \r\n\r\n"},
		{input: "the cookie of the session twice, with different values", text: getDash + "Cookie: sid=" + aToken + "\r\nCookie: sid=\r\n\r\n"},

		// Size and time.
		{input: "a target of 16 KiB", text: strings.Replace(getHead, "activity", long, 1) + "\r\n"},
		{input: "a header of 16 KiB", text: getHead + "X: " + long + "\r\n\r\n"},
		{input: "1,000 headers in 5 KB", text: getHead + strings.Repeat("a:b\r\n", 1000) + "\r\n"},
		{input: "100,000 headers", text: getHead + strings.Repeat("a:b\r\n", 100_000) + "\r\n"},
		{input: "trailers of 16 KiB", text: putHead + chunked + "7\r\n{\"a\":1}\r\n0\r\n" + strings.Repeat("a:b\r\n", 3300) + "\r\n"},
		{input: "a body of 60,001 bytes", text: putHead + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxBodySize+1) + strings.Repeat(" ", maxBodySize+1)},
		{input: "chunks of 60,001 bytes together", text: putHead + chunked + strings.Repeat("1\r\n \r\n", maxBodySize+1) + "0\r\n\r\n"},
		{input: "`Expect: 100-continue`", text: putHead + "Content-Length: 7\r\nExpect: 100-continue\r\n\r\n{\"a\":1}"},
		{input: "`Expect: 100-continue`, a body of 60,001 bytes", text: putHead + fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", maxBodySize+1)},
		{input: "`Expect: 100-continue`, `Content-Length` and chunked", text: putHead + "Content-Length: 7\r\nExpect: 100-continue\r\n" + chunked},
		{input: "`Expect: wonders`", text: putHead + "Content-Length: 7\r\nExpect: wonders\r\n\r\n{\"a\":1}"},
		{input: "a head that comes byte by byte and never ends (slowloris)", act: trickle(getHead + strings.Repeat("x", maxHeadSize))},
		{input: "a body that comes byte by byte and never ends", act: trickle(putHead + "Content-Length: 60000\r\n\r\n" + strings.Repeat(" ", maxBodySize-1))},
		{input: "`Expect: 100-continue` and no body", act: trickle(putHead + "Content-Length: 7\r\nExpect: 100-continue\r\n\r\n")},
		{input: "a connection that says nothing", act: func(net.Conn) {}},
		{input: "a connection that says nothing after its first answer", act: trickle(getHead + "\r\n")},
		{input: "a client that never reads what it asks for", act: nil}, // see neverReads
	}
}

// trickle sends the first part of text, a head that is complete, at once and the rest
// a byte at a time, in steps that are short against the read timeout.
func trickle(text string) func(net.Conn) {
	return func(conn net.Conn) {
		head := strings.Index(text, "\r\n\r\n") + len("\r\n\r\n")
		if head < len("\r\n\r\n") {
			head = 1
		}
		io.WriteString(conn, text[:head])
		for i := head; i < len(text); i++ {
			time.Sleep(hostileTimeout / 100)
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
		}
	}
}

const probePath = "/hostile/get/" + aToken

// outcome sends an input and says in words what comes back. After text comes one more
// request, the probe: if it is answered as it should be, the server and the client agree
// on where the input ended, and the connection is "open".
func (h hostile) outcome(t *testing.T, addr string, check func(method string, a answer)) string {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	go func() { // at the same time as reading: the server may answer before it has all
		if h.act != nil {
			h.act(conn)
			return
		}
		io.WriteString(conn, h.text+"GET "+probePath+" HTTP/1.1\r\nHost: probe\r\n\r\n")
		conn.(*net.TCPConn).CloseWrite()
	}()
	in := bufio.NewReader(conn)
	var said []string
	method := h.method
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			break // the end, or a reset after the last answer
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("%s: %v", h.input, err)
		}
		if string(body) == "{}" && h.act == nil {
			return strings.Join(append(said, "open"), ", ")
		}
		check(method, answer{resp.StatusCode, resp.Header, string(body)})
		said = append(said, answerName(resp.StatusCode, body))
		if resp.StatusCode != http.StatusContinue {
			method = "GET"
		}
	}
	return strings.Join(append(said, "closed"), ", ")
}

// answerName is the status and, of an error of ours, the name.
func answerName(status int, body []byte) string {
	var e struct{ Name string }
	if json.Unmarshal(body, &e) == nil && e.Name != "" {
		return fmt.Sprintf("%d `%s`", status, e.Name)
	}
	return fmt.Sprint(status)
}

// serveHostile starts a server and returns its address. It fails the test if the
// server ends.
func serveHostile(t *testing.T, server *fasthttp.Server, timeout time.Duration) string {
	t.Helper()
	server.ReadTimeout, server.IdleTimeout, server.WriteTimeout = timeout, timeout, timeout
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		listener.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// plainServer is fasthttp as it is, but for the timeouts and a handler that answers 200.
func plainServer() *fasthttp.Server {
	return &fasthttp.Server{
		Logger: logger(func(string, ...any) {}),
		Handler: func(ctx *fasthttp.RequestCtx) {
			if string(ctx.RequestURI()) == probePath {
				ctx.SetBodyString("{}")
			}
		},
	}
}

// neverReads asks for some 60 MB, more than the buffers of a connection hold, and
// takes none of it. It says whether the server gives the connection up.
func neverReads(t *testing.T, server *fasthttp.Server) string {
	whole := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		whole(ctx)
		ctx.Response.AppendBody(make([]byte, maxBodySize))
	}
	conn, err := net.Dial("tcp", serveHostile(t, server, hostileTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, strings.Repeat(getHead+"\r\n", 1000))
	for begin := time.Now(); time.Since(begin) < exchangeTimeout; time.Sleep(time.Millisecond) {
		if since := time.Since(begin); since > hostileTimeout && server.GetOpenConnectionsCount() == 0 {
			return "closed"
		}
	}
	return "open"
}

// TestHostile sends each input to a server of its own, and wants what the README's
// table says, of fasthttp alone too.
func TestHostile(t *testing.T) {
	inputs := hostiles()
	rows := make([]string, len(inputs))
	var wg sync.WaitGroup
	for i, h := range inputs {
		wg.Go(func() {
			if h.text == "" && h.act == nil {
				api := hostileAPI(t)
				rows[i] = fmt.Sprintf("| %s | %s | %s |", h.input, neverReads(t, plainServer()), neverReads(t, api.Server(api.Handler())))
				return
			}
			timeout := exchangeTimeout
			if h.act != nil {
				timeout = hostileTimeout
			}
			alone := h.outcome(t, serveHostile(t, plainServer(), timeout), func(string, answer) {})
			api := hostileAPI(t)
			var log safeLog
			api.logf = log.printf
			w := &site{tb: t, addr: serveHostile(t, api.Server(api.Handler()), timeout), api: api}
			here := h.outcome(t, w.addr, func(method string, a answer) {
				if a.status >= 400 { // of what is no request, as openapi.json sees it
					w.described(method, "", a)
				}
			})
			rows[i] = fmt.Sprintf("| %s | %s | %s |", h.input, alone, here)
			// Whatever came, the server serves, and what it refused has done nothing.
			want := `{"activity":0}`
			if strings.HasPrefix(h.text, putLine) && strings.Contains(here, "200") || strings.HasPrefix(here, "200, 200, 200") {
				want = `{"activity":1}`
			}
			w.expect(w.do("GET", "/hostile/activity?dt=60", ""), 200, want)
			if text := log.String(); text != "" {
				t.Errorf("%s: the log has %s", h.input, text)
			}
		})
	}
	wg.Wait()
	want := fmt.Sprintf("<details><summary>%d inputs and what is answered</summary>\n\n", len(inputs)) + "| input | fasthttp alone | this server |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	readme, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "\n"+want+"\n") {
		t.Errorf("the table of docs/security.md is not what was answered, which is:\n%s", want)
	}
}

func hostileAPI(t *testing.T) *API {
	return New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
}

//go:build !race

package handlers

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/pseudonym"
	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

// TestGetDoesNotAllocate measures a get on the embedded engine, from the parsed
// request to the response, with metrics, without API keys and with them.
func TestGetDoesNotAllocate(t *testing.T) {
	s := still()
	w := serve(t, s)
	found := w.create("app", "user", "ip=127.0.0.1", `{"name":"Peter","age":46}`)
	handler := w.api.Handler()
	for _, c := range []struct{ name, token, head, key string }{
		{"found", found, "", ""}, {"missing", store.NewToken("nobody"), "", ""},
		{"found", found, "", keyAll}, {"missing", store.NewToken("nobody"), "", keyAll},
		{"in the header", "-", "X-Session-Token: " + found, keyAll},
		{"in the cookie", "-", "Cookie: lang=en; sid=\"" + found + "\"", keyAll},
	} {
		var ctx fasthttp.RequestCtx
		head := "GET /app/get/" + c.token + " HTTP/1.1\r\nHost: t\r\nAccept: */*\r\n" + c.head + "\r\n\r\n"
		if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(head))); err != nil {
			t.Fatal(err)
		}
		w.api.SetKeys(nil)
		if c.key != "" {
			w.api.SetKeys(testKeys(t))
			ctx.Request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.key)
		}
		n := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(&ctx)
		})
		if n != 0 {
			t.Errorf("get of a session that is %s, key %q: %v allocations", c.name, c.key, n)
		}
		if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) < len(noSession) {
			t.Errorf("get of a session that is %s, key %q: %d %s", c.name, c.key, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

// TestNearGetDoesNotAllocate measures a get that is answered near, and auth.
func TestNearGetDoesNotAllocate(t *testing.T) {
	server := redistest.Start(t)
	s, err := redis.Open(redis.Options{
		Host: "127.0.0.1", Port: server.Port(), Namespace: "t", Timeout: 10 * time.Second, DialTimeout: 10 * time.Second, Logf: t.Logf, Cache: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := serve(t, s)
	token := w.create("app", "user", "ip=127.0.0.1", `{"name":"Peter","age":46}`)
	for _, target := range []string{"/app/get/" + token, "/app/auth"} {
		var ctx fasthttp.RequestCtx
		head := "GET " + target + " HTTP/1.1\r\nHost: t\r\nX-Session-Token: " + token + "\r\n\r\n"
		if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(head))); err != nil {
			t.Fatal(err)
		}
		handler := w.api.Handler()
		const runs = 1000
		near := false
		for range 100 { // near reads begin soon, and may pause on a busy machine
			before := s.CacheFigures().Hits
			n := testing.AllocsPerRun(runs, func() {
				ctx.Response.Reset()
				handler(&ctx)
			})
			if near = s.CacheFigures().Hits-before > runs; near {
				if n != 0 {
					t.Errorf("%s: %v allocations", target, n)
				}
				break
			}
		}
		if !near || ctx.Response.StatusCode() != 200 {
			t.Errorf("%s: not all were answered near (status %d)", target, ctx.Response.StatusCode())
		}
	}
}

// TestAuthDoesNotAllocate measures the route auth in the same way, and what a visitor
// without a session costs.
func TestAuthDoesNotAllocate(t *testing.T) {
	w := serve(t, still())
	found := w.create("app", "Jürgen", "ip=127.0.0.1", `{"name":"Peter","age":46,"city":"Köln"}`)
	handler := w.api.Handler()
	for _, c := range []struct {
		target, head, key string
		status            int
	}{
		{"/app/auth", "X-Session-Token: " + found, "", 200},
		{"/app/auth", "Cookie: lang=en; sid=\"" + found + "\"", keyAll, 200},
		{"/app/auth/page?a=b", "X-Session-Token: " + found, keyAll, 200},
		{"/app/auth?data=city,age", "X-Session-Token: " + found, keyAll, 200},
		{"/app/auth", "X-Session-Token: " + store.NewToken("nobody"), keyAll, 401},
		{"/app/auth", "X-Session-Token: x", keyAll, 401},
		{"/app/auth", "Accept: */*", "", 401},
	} {
		var ctx fasthttp.RequestCtx
		text := "GET " + c.target + " HTTP/1.1\r\nHost: t\r\n" + c.head + "\r\n\r\n"
		if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(text))); err != nil {
			t.Fatal(err)
		}
		w.api.SetKeys(nil)
		if c.key != "" {
			w.api.SetKeys(testKeys(t))
			ctx.Request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.key)
		}
		n := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(&ctx)
		})
		if n != 0 {
			t.Errorf("%s with %q, key %q: %v allocations", c.target, c.head, c.key, n)
		}
		if ctx.Response.StatusCode() != c.status {
			t.Errorf("%s with %q, key %q: %d %s", c.target, c.head, c.key, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

// TestLogDoesNotAllocate measures a get with a line in each format.
func TestLogDoesNotAllocate(t *testing.T) {
	w := serve(t, still())
	found := w.create("app", "user", "ip=127.0.0.1", `{"name":"Peter","age":46}`)
	w.api.SetKeys(testKeys(t))
	ids, err := pseudonym.New("")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range append(LogFormats(), "json") {
		l := NewAccessLog(format, io.Discard, true, ids)
		defer l.Close()
		ids = nil // from the second on
		handler := l.Handler(w.api.Handler())
		for token, status := range map[string]int{found: 200, "-": 401} {
			var ctx fasthttp.RequestCtx
			text := "GET /app/get/" + token + " HTTP/1.1\r\nHost: t\r\nUser-Agent: php/8 \"\u00fc\u2028\"\r\nReferer: http://site/\r\n" +
				"X-Request-Id: 17\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n" + with(keyAll) + "\r\n\r\n"
			if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(text))); err != nil {
				t.Fatal(err)
			}
			n := testing.AllocsPerRun(1000, func() {
				ctx.Response.Reset()
				handler(&ctx)
			})
			if n != 0 {
				t.Errorf("%s, status %d: %v allocations", format, status, n)
			}
			if ctx.Response.StatusCode() != status {
				t.Errorf("%s: status %d, not %d", format, ctx.Response.StatusCode(), status)
			}
		}
	}
}

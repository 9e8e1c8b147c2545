package handlers

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkGet is a get on the embedded engine, from the parsed request to the response:
// without an API key, and with one.
func BenchmarkGet(b *testing.B) {
	for _, c := range []struct{ name, key string }{{"metered", ""}, {"key", keyAll}} {
		b.Run(c.name, func(b *testing.B) {
			w := serveAPI(b, New(still(), Options{Logf: b.Logf}))
			token := w.create("app", "user", "ip=127.0.0.1", `{"name":"Peter","age":46}`)
			handler := w.api.Handler()
			var ctx fasthttp.RequestCtx
			head := "GET /app/get/" + token + " HTTP/1.1\r\nHost: t\r\nAccept: */*\r\n\r\n"
			if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(head))); err != nil {
				b.Fatal(err)
			}
			if c.key != "" {
				w.api.SetKeys(testKeys(b))
				ctx.Request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.key)
			}
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				handler(&ctx)
			}
			if ctx.Response.StatusCode() != 200 {
				b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
			}
		})
	}
}

//go:build !race

package handlers

import (
	"testing"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// TestGetDoesNotAllocate measures a get on the embedded engine, from the parsed
// request to the response, with metrics.
func TestGetDoesNotAllocate(t *testing.T) {
	s := still()
	w := serve(t, s)
	found := w.create("app", "user", "ip=127.0.0.1", `{"name":"Peter","age":46}`)
	handler := w.api.Handler()
	for name, token := range map[string]string{"found": found, "missing": store.NewToken("nobody")} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/app/get/" + token)
		n := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(&ctx)
		})
		if n != 0 {
			t.Errorf("get of a session that is %s: %v allocations", name, n)
		}
		if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) < len(noSession) {
			t.Errorf("get of a session that is %s: %d %s", name, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

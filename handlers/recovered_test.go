package handlers

import (
	"testing"

	"github.com/valyala/fasthttp"
)

// TestRecovered sees a panic before a route is known answered: fasthttp would let it end
// the process.
func TestRecovered(t *testing.T) {
	var ctx fasthttp.RequestCtx
	New(nil, Options{Logf: t.Logf}).recovered(func(*fasthttp.RequestCtx) { panic("at the door") })(&ctx)
	if got := ctx.Response.StatusCode(); got != 500 {
		t.Errorf("status %d", got)
	}
}

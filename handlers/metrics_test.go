package handlers

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// TestMetrics counts a few requests and reads what /metrics says of them.
func TestMetrics(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	token := w.create("app", "secret-user", "ip=::1", "")
	for range 3 {
		w.do("GET", "/app/get/"+token, "")
	}
	w.do("GET", "/app/get/%41"+token[1:], "") // by the router
	w.do("POST", "/app/set/"+token, `{"a":1}`)
	w.do("GET", "/app/get/short", "")
	w.do("GET", "/nowhere", "")
	w.do("PATCH", "/ping", "")
	w.raw("GET", "nonsense\r\n\r\n")
	faulty.FailAll(store.ErrUnavailable)
	w.do("GET", "/app/get/"+token, "")
	faulty.FailAll(nil)
	whole := w.api.store
	w.api.store = nil
	w.do("GET", "/app/get/"+token, "")
	w.api.store = whole
	w.api.metrics.Batch(5)
	w.api.metrics.RoundTrip(150 * time.Microsecond)

	a := w.do("GET", "/metrics", "")
	if got := a.header.Get("Content-Type"); a.status != 200 || !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", a.status, got)
	}
	for _, want := range []string{
		`rest_sessions_request_duration_seconds_count{route="/{app}/get/{token}",status="200"} 4`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/get/{token}",status="400"} 1`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/get/{token}",status="503"} 1`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/get/{token}",status="500"} 1`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/set/{token}",status="200"} 1`,
		`rest_sessions_request_duration_seconds_count{route="none",status="404"} 1`,
		`rest_sessions_request_duration_seconds_count{route="none",status="405"} 1`,
		`rest_sessions_request_duration_seconds_bucket{route="/{app}/get/{token}",status="200",le="5e-05"}`,
		`rest_sessions_errors_total{name="invalidFormat"} 1`,
		`rest_sessions_errors_total{name="notFound"} 1`,
		`rest_sessions_errors_total{name="methodNotAllowed"} 1`,
		`rest_sessions_errors_total{name="badRequest"} 1`,
		`rest_sessions_errors_total{name="storeUnavailable"} 1`,
		`rest_sessions_errors_total{name="internalError"} 1`,
		`rest_sessions_sessions_served_total 4`,
		`rest_sessions_requests_in_flight 1`, // this one
		`rest_sessions_batch_reads_bucket{le="4"} 0`,
		`rest_sessions_batch_reads_bucket{le="8"} 1`,
		`rest_sessions_store_round_trip_seconds_bucket{le="0.0002"} 1`,
		`rest_sessions_info{version="test"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(a.body, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(regexp.MustCompile(`(?m)^(#|go_|process_).*\n`).ReplaceAllString(a.body, ""))
	}
	for _, secret := range []string{token, "secret-user", `"app"`} {
		if strings.Contains(a.body, secret) {
			t.Errorf("metrics show %s", secret)
		}
	}
}

// TestWithoutMetrics serves all the same, but for /metrics.
func TestWithoutMetrics(t *testing.T) {
	handler := New(still(), nil, t.Logf).Handler()
	for uri, want := range map[string]int{"/app/get/" + aToken: 200, "/ping": 200, "/nowhere": 404, "/metrics": 404} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI(uri)
		handler(&ctx)
		if got := ctx.Response.StatusCode(); got != want {
			t.Errorf("%s answers %d, not %d", uri, got, want)
		}
	}
}

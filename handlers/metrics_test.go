package handlers

import (
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// TestMetrics counts a few requests and reads what /metrics says of them.
func TestMetrics(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	token := w.create("shop", "secret-user", "ip=::1", "")
	for range 3 {
		w.do("GET", "/shop/get/"+token, "")
	}
	w.do("GET", "/shop/get/%41"+token[1:], "") // by the router
	w.do("POST", "/shop/set/"+token, `{"a":1}`)
	w.do("GET", "/shop/get/short", "")
	w.do("GET", "/nowhere", "")
	w.do("PATCH", "/ping", "")
	w.raw("GET", "nonsense\r\n\r\n")
	faulty.FailAll(store.ErrUnavailable)
	w.do("GET", "/shop/get/"+token, "")
	faulty.FailAll(nil)
	whole := w.api.store
	w.api.store = nil
	w.do("GET", "/shop/get/"+token, "")
	w.api.store = whole
	ofRedis := w.api.metrics.Redis()
	ofRedis.Batch(5)
	ofRedis.RoundTrip(150 * time.Microsecond)

	a := w.do("GET", "/metrics", "")
	if got := a.header.Get("Content-Type"); a.status != 200 || !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", a.status, got)
	}
	for _, want := range []string{
		`rest_sessions_requests_total{route="/{app}/get/{token}",status="200"} 4`,
		`rest_sessions_requests_total{route="/{app}/get/{token}",status="400"} 1`,
		`rest_sessions_requests_total{route="/{app}/get/{token}",status="503"} 1`,
		`rest_sessions_requests_total{route="/{app}/get/{token}",status="500"} 1`,
		`rest_sessions_requests_total{route="/{app}/set/{token}",status="200"} 1`,
		`rest_sessions_requests_total{route="/{app}/kill/{token}",status="503"} 0`,
		`rest_sessions_requests_total{route="none",status="404"} 1`,
		`rest_sessions_requests_total{route="none",status="405"} 1`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/get/{token}"} 7`,
		`rest_sessions_request_duration_seconds_bucket{route="/{app}/get/{token}",le="5e-05"}`,
		`rest_sessions_request_duration_seconds_count{route="/{app}/kill/{token}"} 0`,
		`rest_sessions_errors_total{name="invalidFormat"} 1`,
		`rest_sessions_errors_total{name="notFound"} 1`,
		`rest_sessions_errors_total{name="methodNotAllowed"} 1`,
		`rest_sessions_errors_total{name="badRequest"} 1`,
		`rest_sessions_errors_total{name="storeUnavailable"} 1`,
		`rest_sessions_errors_total{name="internalError"} 1`,
		`rest_sessions_errors_total{name="conflict"} 0`,
		`rest_sessions_refused_total{reason="role"} 0`,
		`rest_sessions_shed_total{reason="lists"} 0`,
		`rest_sessions_sessions_served_total 4`,
		`rest_sessions_requests_in_flight 1`, // this one
		`rest_sessions_batch_reads_bucket{le="4"} 0`,
		`rest_sessions_batch_reads_bucket{le="8"} 1`,
		`rest_sessions_store_round_trip_seconds_bucket{le="0.00015"} 1`,
		`rest_sessions_info{version="test"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(a.body, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(a.body, `rest_sessions_request_duration_seconds_count{route="/ping"}`) {
		t.Error("a route is timed that is not of sessions")
	}
	if t.Failed() {
		t.Log(regexp.MustCompile(`(?m)^(#|go_|process_).*\n`).ReplaceAllString(a.body, ""))
	}
	for _, secret := range []string{token, "secret-user", "shop"} {
		if strings.Contains(a.body, secret) {
			t.Errorf("metrics show %s", secret)
		}
	}
}

// TestMetricsInGzip wants the same text for who takes gzip, in much less.
func TestMetricsInGzip(t *testing.T) {
	w := serveEmbedded(t)
	plain := w.do("GET", "/metrics", "")
	packed := w.do("GET", "/metrics", "", "Accept-Encoding: deflate, gzip;q=0.5")
	if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) > len(plain.body)/5 {
		t.Errorf("%q of %d bytes, and %q of %d", plain.header.Get("Content-Encoding"), len(plain.body), packed.header.Get("Content-Encoding"), len(packed.body))
	}
	r, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || strings.Count(string(text), "\n") < strings.Count(plain.body, "\n") || !strings.Contains(string(text), "\nrest_sessions_info{") {
		t.Errorf("%v: %d bytes", err, len(text))
	}
}

// TestOwnMetrics: an API that is given no metrics has its own.
func TestOwnMetrics(t *testing.T) {
	w := serveAPI(t, New(still(), Options{}))
	w.do("GET", "/app/get/"+aToken, "")
	if text := w.do("GET", "/metrics", "").body; !strings.Contains(text, "\nrest_sessions_misses_total 1\n") {
		t.Error("the miss is not counted")
	}
}

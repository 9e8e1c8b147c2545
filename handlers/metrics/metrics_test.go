package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// text is what m answers to Prometheus.
func text(t *testing.T, m *Metrics) string {
	t.Helper()
	var b strings.Builder
	if contentType, err := m.WriteText(&b); err != nil || !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Fatal(contentType, err)
	}
	return "\n" + b.String()
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// TestParts counts what the parts of a server do besides requests.
func TestParts(t *testing.T) {
	m := New(Options{Version: "1"})
	broken := errors.New("broken")
	if strings.Contains(text(t, m), "_data_") {
		t.Error("there are metrics of RS_DATA without it")
	}
	data := m.Data()
	data.Commit(2*time.Millisecond, nil)
	data.Commit(time.Second, broken)
	wiper := m.Wiper(10 * time.Minute)
	started := wiper.success
	wiper.Wiped(5, nil)
	wiper.Wiped(2, broken)
	keys := m.Reload(ReloadKeys)
	keys.Done(false)
	r := m.Redis()
	r.Circuit(true)
	r.Circuit(false)
	r.Evicts(true)
	r.Reloaded(false)
	r.Reloaded(true)
	end := time.Unix(1_900_000_000, 0)
	m.Watch(Sources{Sessions: func() int { return 3 }, Up: func() bool { return true }})
	m.Watch(Sources{Sessions: func() int { return 4 }, Writable: func() bool { return false }}) // the first counts
	m.Watch(Sources{DataSize: func() int64 { return 1 << 40 }, Certificate: func() time.Time { return end }})
	m.Watch(Sources{RedisCertificate: func() time.Time { return end.Add(500 * time.Millisecond) }})
	got := text(t, m)
	wantLines(t, got,
		`rest_sessions_data_commit_seconds_count 2`, `rest_sessions_data_commit_seconds_bucket{le="0.00212"} 1`,
		`rest_sessions_data_commit_failures_total 1`, `rest_sessions_data_file_bytes 1.099511627776e+12`,
		`rest_sessions_wiper_runs_total 2`, `rest_sessions_wiper_failures_total 1`, `rest_sessions_wiper_removed_sessions_total 7`,
		`rest_sessions_wiper_interval_seconds 600`,
		`rest_sessions_last_reload_successful{what="keys"} 0`, `rest_sessions_last_reload_successful{what="redis"} 1`,
		`rest_sessions_store_circuit_open 0`, `rest_sessions_store_circuit_opened_total 1`, `rest_sessions_store_evicts 1`,
		`rest_sessions_embedded_sessions 3`, `rest_sessions_store_up 1`, `rest_sessions_store_writable 0`,
		`rest_sessions_certificate_expiry_timestamp_seconds{certificate="server"} 1.9e+09`,
		`rest_sessions_certificate_expiry_timestamp_seconds{certificate="redis_client"} 1.9000000005e+09`)
	for _, name := range []string{"rest_sessions_wiper_last_success_timestamp_seconds ", `rest_sessions_last_reload_success_timestamp_seconds{what="keys"} `} {
		if _, value, ok := strings.Cut(got, "\n"+name); !ok || !strings.HasPrefix(value, "1.") {
			t.Errorf("%sis not a time", name)
		}
	}
	started.Set(0)
	wiper.Wiped(0, broken)
	wantLines(t, text(t, m), "rest_sessions_wiper_last_success_timestamp_seconds 0")
}

// TestPreset wants statuses and routes to be there before the first request, and one that
// is new to be added.
func TestPreset(t *testing.T) {
	m := New(Options{Errors: []string{"bad"}, Refusals: []string{"no"}})
	route := m.Route("r", false)
	wantLines(t, text(t, m),
		`rest_sessions_requests_total{route="r",status="200"} 0`, `rest_sessions_requests_total{route="r",status="500"} 0`,
		`rest_sessions_requests_total{route="r",status="503"} 0`, `rest_sessions_errors_total{name="bad"} 0`,
		`rest_sessions_refused_total{reason="no"} 0`, `rest_sessions_shed_total{reason="connections"} 0`)
	for _, status := range []int{200, 404, 503, 999} {
		route.Start()
		route.End(status, time.Millisecond)
	}
	got := text(t, m)
	wantLines(t, got,
		`rest_sessions_requests_total{route="r",status="200"} 1`, `rest_sessions_requests_total{route="r",status="404"} 1`,
		`rest_sessions_requests_total{route="r",status="503"} 1`, `rest_sessions_requests_total{route="r",status="999"} 1`,
		`rest_sessions_requests_in_flight 0`)
	if strings.Contains(got, "duration_seconds_bucket") {
		t.Error("a route that is not timed has a histogram")
	}
}

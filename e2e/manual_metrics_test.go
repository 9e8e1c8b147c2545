package e2e

import (
	"crypto/tls"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	prometheus "github.com/prometheus/common/model"

	"rest-sessions/internal/redistest"
	"rest-sessions/internal/testcert"
)

const (
	alertsFile    = "examples/prometheus/alerts.yml"
	dashboardFile = "examples/grafana/dashboard.json"
	metricsPage   = "docs/operations.md"
)

// exposedMetric is a metric of a running server: its type, the names of its labels, and
// the least value of its series, unless it is a histogram.
type exposedMetric struct {
	kind   string
	labels []string
	least  float64
}

// exposedMetrics starts a server with RS_DATA and TLS and one with Redis over TLS, and
// returns the metrics that either has.
func exposedMetrics(t *testing.T) map[string]exposedMetric {
	t.Helper()
	authority := testcert.New(t)
	cert, key := authority.Issue("server", "127.0.0.1")
	clientCert, clientKey := authority.Issue("client", "client")
	_, redisAddr := redistest.StartTLS(t, authority, "127.0.0.1")
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("web:"+oldKey), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]exposedMetric{}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for _, environ := range [][]string{
		{"RS_DATA=" + t.TempDir(), "RS_TLS_CERT=" + cert, "RS_TLS_KEY=" + key, "RS_API_KEYS_FILE=" + keys},
		{"RS_REDIS_URL=rediss://" + redisAddr, "RS_REDIS_CA=" + authority.CA, "RS_REDIS_CERT=" + clientCert, "RS_REDIS_KEY=" + clientKey, "RS_CACHE=1s"},
	} {
		p := start(t, environ...)
		get := func(path string) *http.Response {
			resp, err := client.Get(p.url + path)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // the first write is made behind the start
			resp := get("/readyz")
			resp.Body.Close()
			if resp.StatusCode == 200 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz answers %s", resp.Status)
			}
		}
		resp := get("/metrics")
		parser := expfmt.NewTextParser(prometheus.LegacyValidation)
		families, err := parser.TextToMetricFamilies(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		series := 0
		for name, family := range families {
			m := exposedMetric{kind: strings.ToLower(family.GetType().String()), labels: all[name].labels, least: math.Inf(1)}
			for _, one := range family.Metric {
				for _, label := range one.Label {
					if !slices.Contains(m.labels, label.GetName()) {
						m.labels = append(m.labels, label.GetName())
					}
				}
				series++
				m.least = min(m.least, one.GetGauge().GetValue()+one.GetCounter().GetValue())
				if h := one.Histogram; h != nil {
					series += len(h.Bucket) + 1 // with +Inf, the sum and the count
				}
			}
			slices.Sort(m.labels)
			all[name] = m
		}
		t.Logf("%s: %d metrics, %d series", strings.Split(environ[0], "=")[0], len(families), series)
		if series > 2500 {
			t.Errorf("%d series are too many", series)
		}
	}
	return all
}

// TestMetricsAreDocumented wants the table of metrics in the manual to be what servers
// have, and alerts and dashboard to ask for nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	exposed := exposedMetrics(t)
	documented := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| (`rest_sessions_[^|]*) \\| ([a-z]+) \\|([^|]*)\\|")
	for _, m := range row.FindAllStringSubmatch(section(t, metricsPage, "Metrics"), -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			name = strings.Trim(name, "`")
			documented[name] = true
			got, ok := exposed[name]
			if labels := "`" + strings.Join(got.labels, "`, `") + "`"; !ok {
				t.Errorf("no server has %s, which %s documents", name, metricsPage)
			} else if got.kind != m[2] || labels != strings.TrimSpace(m[3]) && len(got.labels)+len(strings.TrimSpace(m[3])) > 0 {
				t.Errorf("%s is a %s with the labels %v, and not as in %s", name, got.kind, got.labels, m[0])
			}
		}
	}
	for name := range exposed {
		if strings.HasPrefix(name, "rest_sessions_") && !documented[name] {
			t.Errorf("%s is not in the table of %s", name, metricsPage)
		}
	}
	now := float64(time.Now().Unix())
	for name, bounds := range map[string][2]float64{
		"rest_sessions_certificate_expiry_timestamp_seconds":  {now + 60, now + 86400},
		"rest_sessions_last_reload_success_timestamp_seconds": {now - 60, now + 1},
		"rest_sessions_wiper_last_success_timestamp_seconds":  {now - 60, now + 1},
		"rest_sessions_wiper_interval_seconds":                {600, 600},
		"rest_sessions_data_file_bytes":                       {4096, 1 << 20},
		"rest_sessions_connections":                           {1, 10},
		"rest_sessions_connections_limit":                     {10, 16384},
		"rest_sessions_lists_limit":                           {64, 64},
		"rest_sessions_in_flight_limit":                       {2048, 2048},
		"rest_sessions_store_up":                              {1, 1},
		"rest_sessions_store_writable":                        {1, 1},
	} {
		if got := exposed[name].least; got < bounds[0] || got > bounds[1] {
			t.Errorf("%s is %v, not from %v to %v", name, got, bounds[0], bounds[1])
		}
	}
	for _, path := range []string{alertsFile, dashboardFile} {
		used := usedMetrics(readText(t, path))
		if len(used) < 10 {
			t.Errorf("%s uses only %d metrics", path, len(used))
		}
		for _, u := range used {
			if err := u.in(exposed); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// usedMetric is a metric in a query, and the labels that it is selected by.
type usedMetric struct {
	name   string
	labels []string
}

var (
	metricInQuery = regexp.MustCompile(`\b((?:rest_sessions|go|process)_[a-z_]+)(\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\})?`)
	labelInQuery  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"`)
)

// usedMetrics are those of a text with queries, which may stand in JSON.
func usedMetrics(text string) (used []usedMetric) {
	text = strings.ReplaceAll(text, `\"`, `"`)
	for _, m := range metricInQuery.FindAllStringSubmatch(text, -1) {
		u := usedMetric{name: m[1]}
		for _, label := range labelInQuery.FindAllStringSubmatch(m[2], -1) {
			u.labels = append(u.labels, label[1])
		}
		used = append(used, u)
	}
	return used
}

func (u usedMetric) in(exposed map[string]exposedMetric) error {
	name := u.name
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(u.name, suffix)
		if kind := exposed[base].kind; ok && (kind == "histogram" || kind == "summary") {
			name = base
		}
	}
	m, ok := exposed[name]
	if !ok {
		return fmt.Errorf("no server has %s", u.name)
	}
	for _, label := range u.labels {
		if !slices.Contains(append(m.labels, "job", "instance"), label) {
			return fmt.Errorf("%s has no label %s", u.name, label)
		}
	}
	return nil
}

// TestUsedMetrics finds what is wrong in a query.
func TestUsedMetrics(t *testing.T) {
	exposed := map[string]exposedMetric{"rest_sessions_x_total": {"counter", []string{"route"}, 0}, "rest_sessions_y_seconds": {"histogram", nil, 0}}
	for query, ok := range map[string]bool{
		`rate(rest_sessions_x_total{route=~"/{app}/.+", instance="a"}[5m])`:     true,
		`\"rate(rest_sessions_x_total{route=~\"/{app}/.+\"}[5m])`:               true,
		`rate(rest_sessions_y_seconds_bucket[5m])`:                              true,
		`rate(rest_sessions_x_count[5m])`:                                       false,
		`rest_sessions_y_total`:                                                 false,
		`sum(rest_sessions_x_total{route="/{app}/get/{token}", status=~"5.."})`: false,
	} {
		var err error
		used := usedMetrics(query)
		for _, u := range used {
			if e := u.in(exposed); e != nil {
				err = e
			}
		}
		if len(used) == 0 || (err == nil) != ok {
			t.Errorf("%s: %v, %v", query, used, err)
		}
	}
}

// section is the text of a page under a heading of the second level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(readText(t, page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %s", page, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

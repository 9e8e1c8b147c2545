package bench

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// BenchmarkHTTP is the full stack: a server in a process of its own, 64 keep-alive
// connections on loopback, each with one request at a time. hello is the
// yardstick. The load has the same two cores as the server and Redis.
func BenchmarkHTTP(b *testing.B) {
	servers := []struct {
		name  string
		start func(b *testing.B) *site
	}{
		{"redis", func(b *testing.B) *site { return startRedis(b, sessions) }},
		{"embedded", func(b *testing.B) *site { return startSite(b, "embedded", nil, sessions) }},
		{"disk", func(b *testing.B) *site { return startDisk(b, sessions) }},
	}
	loads := []struct {
		name     string
		requests func(s *site) func(client int) request
	}{
		{"get-hot", func(s *site) func(int) request { return get(app, s.tokens, Hot) }},
		{"get-uniform", func(s *site) func(int) request { return get(app, s.tokens, Uniform(sessions)) }},
		{"get-zipf", func(s *site) func(int) request { return get(app, s.tokens, Zipf(sessions)) }},
		{"auth-uniform", func(s *site) func(int) request { return auth(app, s.tokens, Uniform(sessions)) }},
		{"set", func(s *site) func(int) request { return set(app, s.tokens, Uniform(sessions)) }},
		{"create", func(*site) func(int) request { return create(app) }},
		{"kill", func(s *site) func(int) request { return kill(app, s.tokens) }},
		{"soid", func(*site) func(int) request { return soid(app, sessions) }},
		{"activity", func(*site) func(int) request { return activity(app) }},
		{"mix", func(s *site) func(int) request { return mix(app, s.tokens) }},
	}
	b.Run("hello", func(b *testing.B) {
		benchmarkHTTP(b, startYard(b), create(app))
	})
	for _, server := range servers {
		for _, l := range loads {
			b.Run(server.name+"/"+l.name, func(b *testing.B) {
				s := server.start(b)
				b.ResetTimer()
				benchmarkHTTP(b, s, l.requests(s))
			})
		}
	}
}

// benchmarkHTTP loads a server for three seconds, whatever b.N is: a load is made
// of connections, not of steps.
func benchmarkHTTP(b *testing.B, s *site, requests func(client int) request) {
	const took = 3 * time.Second
	var l load
	allocations := s.allocations(b)
	f := measured(b, s.process, s.redis, func() load {
		l = closedLoop(b, s.addr, requests, took)
		return l
	})
	b.StopTimer()
	if allocations >= 0 {
		b.ReportMetric((s.allocations(b)-allocations)/float64(l.requests), "server-allocs/op")
	}
	reportLatency(b, l)
	b.ReportMetric(f.rate, "requests/s")
	b.ReportMetric(f.serverCPU, "server-cpu-us/op")
	if s.redis != nil {
		b.ReportMetric(f.redisCPU, "redis-cpu-us/op")
	}
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

// allocations returns how many objects the server has allocated, as its /metrics
// tells, or -1 if it has none. Asking costs some 2,000.
func (p process) allocations(tb testing.TB) float64 {
	tb.Helper()
	_, body, err := fasthttp.Get(nil, "http://"+p.addr+"/metrics")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, "go_memstats_mallocs_total "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return -1
}

package bench

import (
	"testing"
	"time"
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
	}
	loads := []struct {
		name     string
		requests func(s *site) func(client int) request
	}{
		{"get-hot", func(s *site) func(int) request { return get(app, s.tokens, Hot) }},
		{"get-uniform", func(s *site) func(int) request { return get(app, s.tokens, Uniform(sessions)) }},
		{"get-zipf", func(s *site) func(int) request { return get(app, s.tokens, Zipf(sessions)) }},
		{"set", func(s *site) func(int) request { return set(app, s.tokens, Uniform(sessions)) }},
		{"create", func(*site) func(int) request { return create(app) }},
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
	f := measured(b, s.process, s.redis, func() load {
		l = closedLoop(b, s.addr, requests, took)
		return l
	})
	b.StopTimer()
	reportLatency(b, l)
	b.ReportMetric(f.rate, "requests/s")
	b.ReportMetric(f.serverCPU, "server-cpu-us/op")
	if s.redis != nil {
		b.ReportMetric(f.redisCPU, "redis-cpu-us/op")
	}
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

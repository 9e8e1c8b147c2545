package bench

import (
	"context"
	"strconv"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// capacityEnv is how many sessions BenchmarkCapacity has, a million when it is not set.
const capacityEnv = "CAPACITY"

// capacityData is the data of a session that has some: 200 bytes in Redis.
var capacityData = store.Data{
	{Key: `"name"`, Value: `"Peter Smith"`},
	{Key: `"roles"`, Value: `"reader,writer"`},
	{Key: `"csrf"`, Value: `"4lPMmVyOY5ep5MvIivbhj3H8nInuF48aU0ZCr85BULRz"`},
	{Key: `"cart"`, Value: `"9f0c6f3e-6c1e-4a38-9a53-3d8d0f1c2b7a"`},
	{Key: `"theme"`, Value: `"dark"`},
	{Key: `"language"`, Value: `"en-GB"`},
	{Key: `"unread"`, Value: `12`},
	{Key: `"since"`, Value: `1764081234`},
}

// BenchmarkCapacity takes the figures of docs/performance.md: what a session
// takes of Redis' memory, and what a request costs Redis and the server, among as many
// sessions as a Redis may hold. Its ns/op means nothing; run it with -benchtime 1x:
//
//	BENCH=Capacity BENCHTIME=1x scripts/bench
func BenchmarkCapacity(b *testing.B) {
	n := sessionsOf(b, capacityEnv)
	server := redistest.Start(b)
	tokens := fill(b, server, n, "")
	fill(b, redistest.Start(b, "--hash-max-listpack-value", "4096"), n/10, "-listpack-4096")

	site := &site{startServer(b, "redis "+strconv.Itoa(server.Port())), server, tokens}
	for _, l := range []struct {
		name     string
		requests func(client int) request
	}{
		{"get", get(app, tokens, Uniform(n))},
		{"mix", mix(app, tokens)},
		{"create", create(app)},
	} {
		run := site.slice(b, l.requests)
		run() // warm
		var all []figures
		for range rounds {
			all = append(all, run())
		}
		redisCPU, serverCPU := middle(all, redisCPUOf), middle(all, serverCPUOf)
		b.Logf("%s: %.1f us of Redis, %.1f us of the server a request: %.0f a second of a core of Redis, %.0f of one of the server",
			l.name, redisCPU, serverCPU, 1e6/redisCPU, 1e6/serverCPU)
		b.ReportMetric(redisCPU, l.name+"-us-Redis/req")
		b.ReportMetric(serverCPU, l.name+"-us-server/req")
	}
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

// fill starts n sessions, gives one in ten data, and reports the memory of both. It
// returns the tokens.
func fill(b *testing.B, server *redistest.Server, n int, name string) []string {
	b.Helper()
	memory := func() float64 {
		bytes, err := strconv.ParseFloat(info(b, server, "memory", "used_memory"), 64)
		if err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	s := openRedis(b, server)
	before := memory()
	tokens := seedStore(b, s, n)
	plain := memory()
	b.ReportMetric((plain-before)/float64(n), "B/session"+name)
	given := 0
	for i := 0; i < n; i += 10 {
		if _, err := s.Set(context.Background(), app, tokens[i], capacityData); err != nil {
			b.Fatal(err)
		}
		given++
	}
	b.ReportMetric((memory()-plain)/float64(given), "B/data"+name)
	b.Logf("%d bytes of data; Redis' fragmentation is %s", len(capacityData.Text()), info(b, server, "memory", "mem_fragmentation_ratio"))
	return tokens
}

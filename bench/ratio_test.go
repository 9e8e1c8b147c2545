package bench

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

// A ratio is the median over rounds, in each of which both sides run once, in
// turn, for a slice of time: what the machine does to one it does to the other.
const (
	rounds = 9
	slice  = 700 * time.Millisecond
	// openSlice is longer: a p99 hangs on one request in a hundred.
	openSlice = 2 * time.Second
)

// figures is what one slice measured.
type figures struct {
	rate      float64 // requests a second
	p50, p99  float64 // us
	serverCPU float64 // us a request
	redisCPU  float64 // us a request
}

// measured runs one slice of a load on a server.
func measured(tb testing.TB, p process, server *redistest.Server, run func() load) figures {
	cpu, redisBefore := p.cpu(tb), redisCPU(tb, server)
	l := run()
	perRequest := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(l.requests) }
	return figures{l.rate(), l.micros(50), l.micros(99), perRequest(p.cpu(tb) - cpu), perRequest(redisCPU(tb, server) - redisBefore)}
}

// takeTurns runs sides in turn and returns the figures of each, one a round.
func takeTurns(sides ...func() figures) [][]figures {
	for _, side := range sides {
		side() // warm: connections, pools, caches
	}
	all := make([][]figures, len(sides))
	for range rounds {
		for i, side := range sides {
			all[i] = append(all[i], side())
		}
	}
	return all
}

// compare is takeTurns of two.
func compare(a, b func() figures) (as, bs []figures) {
	all := takeTurns(a, b)
	return all[0], all[1]
}

// ratios returns a figure of a divided by that of b, of each round, in order.
func ratios(as, bs []figures, figure func(figures) float64) []float64 {
	all := make([]float64, len(as))
	for i := range as {
		all[i] = figure(as[i]) / figure(bs[i])
	}
	slices.Sort(all)
	return all
}

// ratio reports the median of ratios, and logs the least and the most, and the
// medians that they are made of.
func ratio(b *testing.B, name string, as, bs []figures, figure func(figures) float64) {
	all := ratios(as, bs, figure)
	median := all[len(all)/2]
	b.ReportMetric(median, name)
	b.Logf("%s: %.3f, from %.3f to %.3f (%.1f / %.1f)", name, median, all[0], all[len(all)-1],
		middle(as, figure), middle(bs, figure))
}

// middle returns the median of a figure.
func middle(side []figures, figure func(figures) float64) float64 {
	values := make([]float64, len(side))
	for i, f := range side {
		values[i] = figure(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func rateOf(f figures) float64      { return f.rate }
func p50Of(f figures) float64       { return f.p50 }
func p99Of(f figures) float64       { return f.p99 }
func serverCPUOf(f figures) float64 { return f.serverCPU }
func redisCPUOf(f figures) float64  { return f.redisCPU }

// BenchmarkRatio is the table of ratios in docs/performance.md. Its ns/op means nothing;
// run it with -benchtime 1x.
func BenchmarkRatio(b *testing.B) {
	b.Run("get-hot/redis", func(b *testing.B) {
		yard, ours := startYard(b), startRedis(b, 1)
		as, bs := compare(ours.slice(b, get(app, ours.tokens, Hot)), yard.slice(b, get(app, ours.tokens, Hot)))
		ratio(b, "rps/hello", as, bs, rateOf)
	})
	b.Run("get-uniform/redis", func(b *testing.B) {
		yard, ours := startYard(b), startRedis(b, sessions)
		reads := get(app, ours.tokens, Uniform(sessions))
		as, bs := compare(ours.slice(b, reads), yard.slice(b, reads))
		ratio(b, "server-cpu/hello", as, bs, serverCPUOf)
		ratio(b, "rps/hello", as, bs, rateOf)
	})
	b.Run("get-uniform/redis-cpu", func(b *testing.B) {
		ours, theirs := startReaders(b), startNaive(b)
		as, bs := compare(ours, theirs)
		ratio(b, "redis-cpu/naive", as, bs, redisCPUOf)
		ratio(b, "reads/naive", as, bs, rateOf)
	})
	b.Run("get-uniform/embedded", func(b *testing.B) {
		yard, ours := startYard(b), startSite(b, "embedded", nil, sessions)
		reads := get(app, ours.tokens, Uniform(sessions))
		as, bs := compare(ours.slice(b, reads), yard.slice(b, reads))
		ratio(b, "rps/hello", as, bs, rateOf)
	})
	b.Run("get-hot/embedded", func(b *testing.B) {
		yard, ours := startYard(b), startSite(b, "embedded", nil, 1)
		reads := get(app, ours.tokens, Hot)
		as, bs := compare(ours.slice(b, reads), yard.slice(b, reads))
		ratio(b, "rps/hello", as, bs, rateOf)
	})
	b.Run("metrics/embedded", func(b *testing.B) {
		ours, plain := startSite(b, "embedded", nil, 1), startSite(b, "unmetered", nil, 1)
		as, bs := compare(ours.slice(b, get(app, ours.tokens, Hot)), plain.slice(b, get(app, plain.tokens, Hot)))
		ratio(b, "server-cpu/unmetered", as, bs, serverCPUOf)
	})
	for _, o := range []struct {
		name     string
		requests func(app string, tokens []string, keys KeysOf) func(client int) request
	}{{"auth-uniform", auth}, {"get-with-handle-uniform", getHandle}} {
		b.Run(o.name+"/redis", func(b *testing.B) {
			ours := startRedis(b, sessions)
			as, bs := compare(ours.slice(b, o.requests(app, ours.tokens, Uniform(sessions))), ours.slice(b, get(app, ours.tokens, Uniform(sessions))))
			ratio(b, "server-cpu/get", as, bs, serverCPUOf)
			ratio(b, "redis-cpu/get", as, bs, redisCPUOf)
			ratio(b, "rps/get", as, bs, rateOf)
		})
		b.Run(o.name+"/embedded", func(b *testing.B) {
			ours := startSite(b, "embedded", nil, sessions)
			as, bs := compare(ours.slice(b, o.requests(app, ours.tokens, Uniform(sessions))), ours.slice(b, get(app, ours.tokens, Uniform(sessions))))
			ratio(b, "server-cpu/get", as, bs, serverCPUOf)
			ratio(b, "rps/get", as, bs, rateOf)
		})
	}
	b.Run("p99-at-half-rate/redis", func(b *testing.B) {
		yard, ours := startYard(b), startRedis(b, sessions)
		reads := get(app, ours.tokens, Uniform(sessions))
		half := ours.slice(b, reads)().rate / 2
		open := func(s *site) func() figures {
			return func() figures {
				return measured(b, s.process, s.redis, func() load { return openLoop(b, s.addr, reads, openSlice, half) })
			}
		}
		as, bs := compare(open(ours), open(yard))
		ratio(b, "p99/hello", as, bs, p99Of)
	})
	b.Run("mix/redis", func(b *testing.B) {
		ours := startRedis(b, sessions)
		as, bs := compare(ours.slice(b, mix(app, ours.tokens)), ours.slice(b, get(app, ours.tokens, Hot)))
		ratio(b, "rps/get-hot", as, bs, rateOf)
	})
	b.Run("create/redis", func(b *testing.B) {
		yard, ours := startYard(b), startRedis(b, 1)
		as, bs := compare(ours.slice(b, create(app)), yard.slice(b, create(app)))
		ratio(b, "server-cpu/hello", as, bs, serverCPUOf)
	})
	b.Run("set/redis", func(b *testing.B) {
		yard, ours := startYard(b), startRedis(b, sessions)
		writes := set(app, ours.tokens, Uniform(sessions))
		as, bs := compare(ours.slice(b, writes), yard.slice(b, writes))
		ratio(b, "server-cpu/hello", as, bs, serverCPUOf)
	})
	for _, o := range []struct {
		name     string
		requests func(s *site) func(client int) request
	}{
		{"create", func(*site) func(int) request { return create(app) }},
		{"set", func(s *site) func(int) request { return set(app, s.tokens, Uniform(sessions)) }},
		{"get-uniform", func(s *site) func(int) request { return get(app, s.tokens, Uniform(sessions)) }},
		{"mix", func(s *site) func(int) request { return mix(app, s.tokens) }},
	} {
		b.Run("disk/"+o.name, func(b *testing.B) {
			ours, memory := startDisk(b, sessions), startSite(b, "embedded", nil, sessions)
			as, bs := compare(ours.slice(b, o.requests(ours)), memory.slice(b, o.requests(memory)))
			ratio(b, "rps/memory", as, bs, rateOf)
			ratio(b, "p99/memory", as, bs, p99Of)
			ratio(b, "server-cpu/memory", as, bs, serverCPUOf)
		})
	}
}

// site is a server with sessions, and its Redis if it has one.
type site struct {
	process
	redis  *redistest.Server
	tokens []string
}

func startYard(tb testing.TB) *site { return &site{process: startServer(tb, "hello")} }

func startRedis(tb testing.TB, n int) *site {
	server := redistest.Start(tb)
	return startSite(tb, "redis "+strconv.Itoa(server.Port()), server, n)
}

// startDisk starts a server that keeps its sessions in a directory, on whatever
// the machine's temporary files are.
func startDisk(tb testing.TB, n int) *site { return startSite(tb, "disk "+tb.TempDir(), nil, n) }

func startSite(tb testing.TB, kind string, server *redistest.Server, n int) *site {
	p := startServer(tb, kind)
	return &site{p, server, seedServer(tb, p.addr, n)}
}

// slice returns a run of one slice of a closed loop.
func (s *site) slice(tb testing.TB, requests func(client int) request) func() figures {
	return func() figures {
		return measured(tb, s.process, s.redis, func() load { return closedLoop(tb, s.addr, requests, slice) })
	}
}

// lone is slice for one client.
func (s *site) lone(tb testing.TB, requests func(client int) request) func() figures {
	return func() figures {
		return measured(tb, s.process, s.redis, func() load { return loneLoop(tb, s.addr, requests, slice) })
	}
}

// nearFor is how long after an answer of Redis near reads answer.
const nearFor = time.Second

// redisOptions are those of the engine on a Redis, with near reads or without.
func redisOptions(port int, near bool) redis.Options {
	o := redis.Options{Host: "127.0.0.1", Port: port, Namespace: "bench", Timeout: 5 * time.Second, DialTimeout: 5 * time.Second}
	if near {
		o.Cache = nearFor
	}
	return o
}

func openRedis(tb testing.TB, server *redistest.Server) *redis.Store {
	return openEngine(tb, redisOptions(server.Port(), false))
}

func openEngine(tb testing.TB, o redis.Options) *redis.Store {
	s, err := redis.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// startReaders and startNaive read at random, each from sessions in a Redis of its
// own. On shared sessions each would find the other's index scores: the naive one
// measured a quarter cheaper so, and ours had to lift what it had lowered.
func startReaders(tb testing.TB) func() figures {
	server := redistest.Start(tb)
	s := openRedis(tb, server)
	return readers(tb, server, s.Get, seedStore(tb, s, sessions))
}

func startNaive(tb testing.TB) func() figures {
	server := redistest.Start(tb)
	tokens := seedStore(tb, openRedis(tb, server), sessions)
	return readers(tb, server, newNaive(tb, server.Port(), "bench").Get, tokens)
}

// readers returns a run of one slice of goroutines that read without a server.
func readers(tb testing.TB, server *redistest.Server, read func(context.Context, string, string) (store.Session, error), tokens []string) func() figures {
	return func() figures {
		before, begin := redisCPU(tb, server), time.Now()
		var n atomic.Int64
		var wg sync.WaitGroup
		for worker := range connections {
			wg.Go(func() {
				r := source(worker)
				for time.Since(begin) < slice {
					if _, err := read(context.Background(), app, tokens[r.IntN(len(tokens))]); err != nil {
						tb.Error(err)
						return
					}
					n.Add(1)
				}
			})
		}
		wg.Wait()
		reads := float64(n.Load())
		return figures{
			rate:     reads / time.Since(begin).Seconds(),
			redisCPU: float64((redisCPU(tb, server) - before).Nanoseconds()) / 1000 / reads,
		}
	}
}

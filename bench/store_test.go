package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
)

// subject is an engine with sessions.
type subject struct {
	store  store.Store
	redis  *redistest.Server // nil for an engine without
	tokens []string
	doomed []string // sessions to kill, one a step
}

// operation does one step on a subject. i is its number, unique in the run.
type operation func(ctx context.Context, s *subject, key, i int) error

var data = store.Data{{Key: `"name"`, Value: `"Peter"`}, {Key: `"visits"`, Value: `12`}}

// operations are those of the matrix: how each draws its sessions and what it does.
var operations = []struct {
	name string
	keys KeysOf
	do   operation
}{
	{"get-hot", Hot, doGet},
	{"get-uniform", Uniform(sessions), doGet},
	{"get-zipf", Zipf(sessions), doGet},
	{"set", Uniform(sessions), doSet},
	{"create", Uniform(sessions), doCreate},
	{"kill", Uniform(sessions), doKill},
	{"soid", Uniform(sessions), doSoID},
	{"activity", Uniform(sessions), doActivity},
	{"mix", Uniform(sessions * 9 / 10), nil}, // drawn by Mix; it kills in the last tenth
}

func doGet(ctx context.Context, s *subject, key, _ int) error {
	_, err := s.store.Get(ctx, app, s.tokens[key])
	return err
}

func doSet(ctx context.Context, s *subject, key, _ int) error {
	_, err := s.store.Set(ctx, app, s.tokens[key], data)
	return err
}

func doCreate(ctx context.Context, s *subject, _, i int) error {
	n := newSession(sessions + i)
	_, err := s.store.Create(ctx, "created", store.NewToken(n.ID), n)
	return err
}

// doKill ends the session i of those that benchmarkStore started for it.
func doKill(ctx context.Context, s *subject, _, i int) error {
	killed, err := s.store.Kill(ctx, app, s.doomed[i])
	if err == nil && !killed {
		err = errors.New("killed what was not there, which costs less")
	}
	return err
}

func doSoID(ctx context.Context, s *subject, key, _ int) error {
	_, err := s.store.SessionsOfID(ctx, app, userID(key)).Next(ctx)
	return err
}

func doActivity(ctx context.Context, s *subject, _, _ int) error {
	_, err := s.store.Activity(ctx, app, 600)
	return err
}

// doMixed does what Mix drew.
func doMixed(ctx context.Context, s *subject, op Op, key, i int) error {
	switch op {
	case Set:
		return doSet(ctx, s, key, i)
	case Create:
		return doCreate(ctx, s, key, i)
	case Kill:
		_, err := s.store.Kill(ctx, app, s.tokens[len(s.tokens)-1-i%(sessions/10)])
		return err
	case SoID:
		return doSoID(ctx, s, key, i)
	default:
		return doGet(ctx, s, key, i)
	}
}

// BenchmarkStore is the matrix of engines, operations and callers at once, without
// HTTP.
func BenchmarkStore(b *testing.B) {
	engines := []struct {
		name string
		open func(b *testing.B) *subject
	}{
		{"redis", func(b *testing.B) *subject {
			server := redistest.Start(b)
			return &subject{store: openRedis(b, server), redis: server}
		}},
		{"embedded", func(*testing.B) *subject { return &subject{store: embedded.New(embedded.Options{})} }},
		{"disk", func(b *testing.B) *subject {
			s, err := embedded.Open(embedded.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(s.Close)
			return &subject{store: s}
		}},
	}
	for _, engine := range engines {
		for _, o := range operations {
			for _, callers := range []int{1, 64, 256} {
				b.Run(fmt.Sprintf("%s/%s/callers=%d", engine.name, o.name, callers), func(b *testing.B) {
					s := engine.open(b)
					s.tokens = seedStore(b, s.store, sessions)
					if o.name == Kill.String() {
						s.doomed = seedStore(b, s.store, b.N)
					}
					b.ResetTimer()
					benchmarkStore(b, s, callers, func(worker int) func(i int) error {
						r := source(worker)
						draw := o.keys(r)
						return func(i int) error {
							if o.do == nil {
								return doMixed(b.Context(), s, Mix(r), draw(), i)
							}
							return o.do(b.Context(), s, draw(), i)
						}
					})
				})
			}
		}
	}
}

// benchmarkStore shares b.N steps among the callers and reports their latencies
// and what they cost.
func benchmarkStore(b *testing.B, s *subject, callers int, steps func(worker int) func(i int) error) {
	b.ReportAllocs()
	cpu := redisCPU(b, s.redis)
	var next atomic.Int64
	var wg sync.WaitGroup
	latencies := make([]*hdrhistogram.Histogram, callers)
	for worker := range callers {
		wg.Go(func() {
			step, h := steps(worker), newHistogram()
			latencies[worker] = h
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				start := time.Now()
				if err := step(i); err != nil && !errors.Is(err, store.ErrNotFound) {
					b.Error(err)
					return
				}
				if err := h.RecordValue(max(100, time.Since(start).Nanoseconds())); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := load{latency: newHistogram()}
	for _, h := range latencies {
		all.latency.Merge(h)
	}
	reportLatency(b, all)
	if s.redis != nil {
		b.ReportMetric(float64((redisCPU(b, s.redis)-cpu).Nanoseconds())/1000/float64(b.N), "redis-cpu-us/op")
	}
}

func reportLatency(b *testing.B, l load) {
	b.ReportMetric(l.micros(50), "p50-us")
	b.ReportMetric(l.micros(99), "p99-us")
	b.ReportMetric(l.micros(99.9), "p99.9-us")
}

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/store"
)

// heapInUse returns the bytes that live objects take after a collection.
func heapInUse() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// resident returns the process' resident bytes, 0 where /proc does not say.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// maxResident is what a session may take of resident memory, in bytes.
const maxResident = 400

// BenchmarkMemory fills a store with a million sessions, each of its own user
// with an id of 16 bytes, an IPv4 address and no data, and reports what one
// takes, and how long a garbage collection of it all is.
func BenchmarkMemory(b *testing.B) {
	const sessions = 1_000_000
	for b.Loop() {
		heap, rss := heapInUse(), resident()
		s := New(Options{})
		for i := range sessions {
			ip := fmt.Sprintf("%d.%d.%d.%d", 192+i%64, i>>16&255, i>>8&255, i&255)
			create(b, s, "app", store.New{ID: fmt.Sprintf("user-%011d", i), IP: ip})
		}
		perSession := float64(resident()-rss) / sessions
		b.ReportMetric(perSession, "before-GC-RSS-B/session")
		heap = heapInUse() - heap
		perSession = float64(resident()-rss) / sessions
		start := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "GC-ms")
		b.ReportMetric(perSession, "RSS-B/session")
		b.ReportMetric(float64(heap)/sessions, "heap-B/session")
		if rss > 0 && perSession > maxResident {
			b.Errorf("%.0f bytes a session", perSession)
		}
		runtime.KeepAlive(s)
	}
}

func filled(b *testing.B, sessions int) (*Store, []string) {
	s := New(Options{})
	tokens := make([]string, sessions)
	d := store.Data{{Key: `"name"`, Value: `"Jane"`}, {Key: `"cart"`, Value: "3"}}
	for i := range tokens {
		tokens[i] = create(b, s, "app", store.New{ID: fmt.Sprintf("user-%011d", i), Data: d})
	}
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	return s, tokens
}

func BenchmarkGet(b *testing.B) {
	for name, sessions := range map[string]int{"hot": 1, "uniform": 100_000} {
		b.Run(name, func(b *testing.B) {
			s, tokens := filled(b, sessions)
			ctx := context.Background()
			b.RunParallel(func(pb *testing.PB) {
				rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
				for pb.Next() {
					if _, err := s.Get(ctx, "app", tokens[rnd.IntN(sessions)]); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	s, tokens := filled(b, 100_000)
	ctx := context.Background()
	n := store.New{ID: fmt.Sprintf("user-%011d", 0), IP: "192.168.1.1", TTL: store.DefaultTTL}
	b.RunParallel(func(pb *testing.PB) {
		rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for pb.Next() {
			// In place of one that is there, so that the store does not grow.
			i := rnd.IntN(len(tokens))
			n := n
			n.ID = fmt.Sprintf("user-%011d", i)
			if _, err := s.Create(ctx, "app", tokens[i], n); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkSetSmall(b *testing.B) {
	s, tokens := filled(b, 100_000)
	ctx := context.Background()
	d := store.Data{{Key: `"cart"`, Value: "4"}}
	b.RunParallel(func(pb *testing.PB) {
		rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for pb.Next() {
			if _, err := s.Set(ctx, "app", tokens[rnd.IntN(len(tokens))], d); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkActivity(b *testing.B) {
	s, _ := filled(b, 100_000)
	ctx := context.Background()
	for b.Loop() {
		if n, err := s.Activity(ctx, "app", 3600); n != 100_000 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkList reads a whole app of 100,000 sessions.
func BenchmarkList(b *testing.B) {
	s, _ := filled(b, 100_000)
	ctx := context.Background()
	for b.Loop() {
		if n := len(all(b, ctx, s.SessionsOfApp(ctx, "app", 3600))); n != 100_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkGetBeside reports the latency of Get, one after the other, while
// another goroutine walks through an app of 300,000 sessions again and again.
func BenchmarkGetBeside(b *testing.B) {
	ctx := context.Background()
	const sessions = 300_000
	fill := func(s *Store) {
		for i := range sessions {
			create(b, s, "big", store.New{ID: fmt.Sprint("user", i)})
		}
	}
	for _, walk := range []struct {
		name string
		do   func(s *Store)
	}{
		{"nothing", func(*Store) {}},
		{"list", func(s *Store) { all(b, ctx, s.SessionsOfApp(ctx, "big", 1e6)) }},
		{"fill and kill", func(s *Store) {
			if _, err := s.KillApp(ctx, "big"); err != nil {
				b.Error(err)
			}
			fill(s)
		}},
	} {
		b.Run(walk.name, func(b *testing.B) {
			s, tokens := filled(b, 100_000)
			fill(s)
			var stop atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				for !stop.Load() {
					walk.do(s)
					runtime.Gosched()
				}
			})
			rnd := rand.New(rand.NewPCG(1, 1))
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				if _, err := s.Get(ctx, "app", tokens[rnd.IntN(len(tokens))]); err != nil {
					b.Error(err)
				}
				took = append(took, time.Since(start))
			}
			stop.Store(true)
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			b.ReportMetric(float64(took[len(took)*999/1000]), "p99.9-ns")
		})
	}
}

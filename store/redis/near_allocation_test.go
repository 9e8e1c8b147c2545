//go:build !race

package redis

import (
	"context"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// TestNearGetDoesNotAllocate measures a get that is answered near.
func TestNearGetDoesNotAllocate(t *testing.T) {
	s := openNear(t, redistest.Start(t), "t", 10*time.Second)
	token := create(t, s, "app", "user", 1000)
	ctx := context.Background()
	const runs = 1000
	for range 20 { // the lease may be lost on a busy machine
		get(t, s, token)
		before := s.near.Figures().Hits
		n := testing.AllocsPerRun(runs, func() { s.Get(ctx, "app", token) })
		if s.near.Figures().Hits-before > runs {
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
			return
		}
	}
	t.Error("not all gets were answered near")
}

// BenchmarkNearGet is a get that is answered near.
func BenchmarkNearGet(b *testing.B) {
	s := openNear(b, redistest.Start(b), "t", 10*time.Second)
	token := create(b, s, "app", "user", 1000)
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(ctx, "app", token); err != nil {
				b.Error(err)
				return
			}
		}
	})
	f := s.near.Figures()
	b.ReportMetric(float64(f.Hits)/float64(b.N), "hits/op")
}

package stats

import (
	"math"
	"math/rand"
	"testing"
	"time"
)

func numbers(n int) Sample {
	var latencies []time.Duration
	for _, i := range rand.New(rand.NewSource(1)).Perm(n) {
		latencies = append(latencies, time.Duration(i+1))
	}
	return NewSample(latencies)
}

func TestAtIsTheNearestRank(t *testing.T) {
	for _, c := range []struct {
		n    int
		q    float64
		want time.Duration
	}{
		{100, 0, 1}, {100, 0.5, 50}, {100, 0.99, 99}, {100, 0.991, 100}, {100, 1, 100},
		{1000, 0.999, 999}, {10000, 0.9999, 9999}, {1, 0.5, 1}, {3, 0.5, 2}, {0, 0.5, 0},
	} {
		if got := numbers(c.n).At(c.q); got != c.want {
			t.Errorf("At(%v) of 1 to %d is %d, want %d", c.q, c.n, got, c.want)
		}
	}
}

func TestCurve(t *testing.T) {
	for _, n := range []int{1, 2, 10, 1000, 100_000} {
		sample := numbers(n)
		curve := sample.Curve()
		if curve[0].Percentile != 50 {
			t.Errorf("of %d: begins at %v", n, curve[0])
		}
		for i, p := range curve[1:] {
			if p.Percentile <= curve[i].Percentile || p.Latency < curve[i].Latency {
				t.Errorf("of %d: %v after %v", n, p, curve[i])
			}
		}
		last := curve[len(curve)-1]
		// It does not claim what too few samples cannot tell.
		if most := max(50, min(99.99, 100*(1-1/float64(n)))); math.Abs(last.Percentile-most) > 1e-3 {
			t.Errorf("of %d: ends at %v, want %v", n, last.Percentile, most)
		}
		for _, p := range curve {
			if want := sample.At(p.Percentile / 100); math.Abs(float64(want-p.Latency)) > 1 {
				t.Errorf("of %d: %v, want %v", n, p, want)
			}
		}
	}
	if numbers(0).Curve() != nil {
		t.Error("a curve of nothing")
	}
}

func TestPositionStretchesTheEnd(t *testing.T) {
	for percentile, want := range map[float64]float64{90: 1, 99: 2, 99.9: 3, 99.99: 4} {
		if got := Position(percentile); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v stands at %v, want %v", percentile, got, want)
		}
	}
}

package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// shapes are ways in which times may be spread, about 1.
var shapes = map[string]func(*rand.Rand) float64{
	"log-normal":  func(r *rand.Rand) float64 { return math.Exp(0.5 * r.NormFloat64()) },
	"wide":        func(r *rand.Rand) float64 { return math.Exp(1.5 * r.NormFloat64()) },
	"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() },
	"pareto":      func(r *rand.Rand) float64 { return math.Pow(r.Float64(), -1/1.5) },
	"uniform":     func(r *rand.Rand) float64 { return r.Float64() },
	"a pause": func(r *rand.Rand) float64 { // 3% wait for another thing
		if r.Float64() < 0.03 {
			return 40 + 5*r.Float64()
		}
		return 1 + 0.2*r.NormFloat64()
	},
	"one value": func(*rand.Rand) float64 { return 1 },
}

// TestQuantiles wants a quantile as Prometheus works it out from a histogram to be within
// a tenth of the true one, from 0.2 ms to 1 s, however times are spread.
func TestQuantiles(t *testing.T) {
	const samples = 2_000
	random := rand.New(rand.NewPCG(1, 2))
	worst, worstOf := 0.0, ""
	checked := 0
	for name, shape := range shapes {
		times := make([]float64, samples)
		for i := range times {
			times[i] = max(shape(random), 1e-9)
		}
		slices.Sort(times)
		for _, q := range []float64{0.5, 0.9, 0.99} {
			// The quantile is put at each of these times.
			for want := 0.2e-3; want <= 1; want *= 1.37 {
				scale := want / times[int(math.Ceil(q*samples))-1]
				histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Buckets: secondsBuckets})
				for _, x := range times {
					histogram.Observe(x * scale)
				}
				var metric dto.Metric
				if err := histogram.Write(&metric); err != nil {
					t.Fatal(err)
				}
				off := math.Abs(quantile(q, metric.Histogram)/want - 1)
				if off > worst {
					worst, worstOf = off, fmt.Sprintf("%s, %v of %.4g s", name, q, want)
				}
				checked++
			}
		}
	}
	t.Logf("%d quantiles; at most %.1f%% off: %s", checked, 100*worst, worstOf)
	if worst > 0.1 {
		t.Errorf("%s is %.1f%% off", worstOf, 100*worst)
	}
}

// quantile is histogram_quantile of Prometheus (promql/quantile.go): linear between the
// bounds of the bucket that has the rank.
func quantile(q float64, h *dto.Histogram) float64 {
	rank := q * float64(h.GetSampleCount())
	low, before := 0.0, 0.0
	for _, b := range h.Bucket {
		count := float64(b.GetCumulativeCount())
		if count >= rank {
			return low + (b.GetUpperBound()-low)*(rank-before)/(count-before)
		}
		low, before = b.GetUpperBound(), count
	}
	return low
}

// TestBuckets wants bounds that rise by a tenth at most where quantiles are to be right,
// and that are short as text.
func TestBuckets(t *testing.T) {
	for i, bound := range secondsBuckets {
		if i == 0 {
			continue
		}
		ratio := bound / secondsBuckets[i-1]
		if ratio <= 1 || bound > 0.2e-3 && bound <= 1.1 && ratio > 1.1+1e-9 {
			t.Errorf("%v follows %v: %.4f times it", bound, secondsBuckets[i-1], ratio)
		}
		if text := fmt.Sprint(bound); len(strings.TrimLeft(text, "0.")) > 8 {
			t.Errorf("the bound %s is long", text)
		}
	}
	t.Logf("%d buckets", len(secondsBuckets))
}

// BenchmarkEnd is what metrics cost a request, but for the clock.
func BenchmarkEnd(b *testing.B) {
	for _, took := range []time.Duration{20 * time.Microsecond, 300 * time.Microsecond, 3 * time.Millisecond} {
		b.Run(took.String(), func(b *testing.B) {
			route := New(Options{}).Route("r", true)
			b.ReportAllocs()
			for b.Loop() {
				route.Start()
				route.End(200, took)
			}
		})
	}
}

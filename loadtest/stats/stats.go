// Package stats computes percentiles from all samples: no sketch, whose error
// would be largest at the tail that a load test is about.
package stats

import (
	"math"
	"slices"
	"time"
)

// Sample holds latencies, sorted.
type Sample []time.Duration

// NewSample sorts latencies and takes them over.
func NewSample(latencies []time.Duration) Sample {
	slices.Sort(latencies)
	return latencies
}

// At is the latency that a share of q (0 to 1) of all requests did not exceed: the
// nearest rank, so always one that was measured. It is 0 of no samples.
func (s Sample) At(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	// The rounding keeps 0.99 of 100 the 99th, though 0.99 is no binary fraction.
	rank := int(math.Ceil(math.Round(q*float64(len(s))*1e6) / 1e6))
	return s[min(max(rank, 1), len(s))-1]
}

// Max is the longest latency.
func (s Sample) Max() time.Duration { return s.At(1) }

// Point is one point of a curve.
type Point struct {
	Percentile float64       // 0 to 100
	Latency    time.Duration // what that share of requests did not exceed
}

const (
	curveFrom  = 50
	curveTo    = 99.99
	curveSteps = 24 // a decade of the part above
)

// Curve is the latency from the 50th to the 99.99th percentile, in equal steps of
// the logarithm of what is above: 90, 99 and 99.9 are as far from each other, as
// HdrHistogram plots it. It ends where less than one request is above.
func (s Sample) Curve() []Point {
	if len(s) == 0 {
		return nil
	}
	var points []Point
	add := func(x float64) {
		q := 1 - math.Pow(10, -x)
		points = append(points, Point{Percentile: math.Round(q*1e8) / 1e6, Latency: s.At(q)})
	}
	end := math.Min(Position(curveTo), math.Log10(float64(len(s))))
	x := Position(curveFrom)
	add(x)
	for i := int(x*curveSteps) + 1; float64(i)/curveSteps < end; i++ {
		add(float64(i) / curveSteps)
	}
	if end > x {
		add(end)
	}
	return points
}

// Position is where a percentile stands on the axis of a curve: 1 for 90, 2 for
// 99, 3 for 99.9.
func Position(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

package metrics

import "strconv"

// steps are the bounds of a decade, each at most 1.1 times the one before it, with three
// digits so that their text is short.
var steps = []float64{
	1.00, 1.10, 1.21, 1.33, 1.46, 1.60, 1.76, 1.93, 2.12, 2.33, 2.56, 2.81, 3.09, 3.39, 3.72, 4.09, 4.49, 4.93, 5.42,
	5.96, 6.55, 7.20, 7.92, 8.71, 9.58,
}

// secondsBuckets are the bounds of time histograms. histogram_quantile may say any value
// of the bucket that the true one is in, so from 0.2 ms to 1.1 s it is within a tenth of
// it. Below that the bounds are for the embedded engine, above it for mass removals.
var secondsBuckets = buckets()

func buckets() []float64 {
	bounds := []float64{2e-6, 5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 150e-6}
	for exponent := -4; exponent < 0; exponent++ {
		for _, step := range steps {
			// By way of the text: 1.1e-3 as it is read, not 1.1 times 1e-3.
			bound, _ := strconv.ParseFloat(strconv.FormatFloat(step, 'f', 2, 64)+"e"+strconv.Itoa(exponent), 64)
			if bound > 190e-6 {
				bounds = append(bounds, bound)
			}
		}
	}
	return append(bounds, 1, 1.1, 2, 5, 10, 60)
}

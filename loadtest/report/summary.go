// Package report shows what a run measured: as JSON, as a table, as a picture and
// as a page that needs no network.
package report

import (
	"maps"
	"math"
	"slices"
	"time"

	"rest-sessions/loadtest/load"
	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/stats"
)

// Summary is the JSON of a run. Latencies are milliseconds.
type Summary struct {
	Started    time.Time  `json:"started"`
	Machine    string     `json:"machine"`
	Mix        string     `json:"mix"`
	Choice     string     `json:"choice"`
	Sessions   int        `json:"sessions"`
	Seconds    float64    `json:"seconds"` // of a step
	Rounds     int        `json:"rounds"`
	Seed       int64      `json:"seed"`
	Servers    []Server   `json:"servers"`
	Thresholds Thresholds `json:"thresholds"`
}

// Server is one server's part.
type Server struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Checked bool   `json:"checked"` // whether answers were read
	Prefill Tally  `json:"prefill"`
	Steps   []Step `json:"steps"`
	Audit   Tally  `json:"audit"` // each session read once more at the end
	Cleanup Tally  `json:"cleanup"`
}

// Tally counts requests; errors has those without an answer or with a status of
// failure, wrong those whose answer cannot be true.
type Tally struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"` // errors and wrong
	Wrong    int            `json:"wrong"`
	Errors   map[string]int `json:"errors,omitempty"`
	Examples []string       `json:"wrong_examples,omitempty"`
}

// Step is one rate.
type Step struct {
	Rate       int     `json:"rate"`      // asked for, requests a second
	Sent       float64 `json:"sent_rate"` // got
	Throughput float64 `json:"throughput"`
	Tally
	Latency
	Lag      float64            `json:"lag_p99_ms"` // of the generator behind its schedule
	BytesIn  uint64             `json:"bytes_in"`
	BytesOut uint64             `json:"bytes_out"`
	Statuses map[string]int     `json:"statuses"`
	Kinds    map[string]Latency `json:"kinds"`
	RoundP50 []float64          `json:"round_p50_ms"`
	RoundP99 []float64          `json:"round_p99_ms"`
	Curve    []Point            `json:"curve"`
}

// Latency is the distribution of some latencies.
type Latency struct {
	Timed int     `json:"timed"` // requests, without the warm-up's
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

// Point is one point of a percentile curve.
type Point struct {
	Percentile float64 `json:"percentile"`
	Latency    float64 `json:"ms"`
}

// New sums a run up.
func New(c *load.Config, servers []*load.Server, started time.Time, machine string, limits Limits) *Summary {
	choice := "uniform"
	if c.Zipf {
		choice = "zipf"
	}
	s := &Summary{
		Started: started.UTC().Truncate(time.Second), Machine: machine, Mix: c.Mix.String(), Choice: choice,
		Sessions: c.Sessions, Seconds: c.Duration.Seconds(), Rounds: c.Rounds, Seed: c.Seed,
	}
	for _, from := range servers {
		server := Server{
			Name: from.Name, URL: from.URL, Checked: from.Check,
			Prefill: tally(&from.Prefill.Tally), Audit: tally(&from.Audit.Tally), Cleanup: tally(&from.Cleanup.Tally),
		}
		for _, step := range from.Steps {
			server.Steps = append(server.Steps, newStep(step))
		}
		s.Servers = append(s.Servers, server)
	}
	s.Thresholds = limits.judge(s)
	return s
}

func newStep(from *load.Step) Step {
	s := Step{
		Rate: from.Rate, Sent: round(from.SentRate(), 1), Throughput: round(from.Throughput(), 1),
		Tally: tally(&from.Tally), Latency: latency(from.All), Lag: ms(from.Lag.At(0.99)),
		Statuses: from.Statuses(), Kinds: map[string]Latency{},
	}
	s.BytesIn, s.BytesOut = from.Bytes()
	for kind, sample := range from.Kinds {
		if len(sample) > 0 {
			s.Kinds[model.Kind(kind).String()] = latency(sample)
		}
	}
	p50s, p99s := from.Rounds()
	for i := range p50s {
		s.RoundP50, s.RoundP99 = append(s.RoundP50, ms(p50s[i])), append(s.RoundP99, ms(p99s[i]))
	}
	for _, p := range from.All.Curve() {
		s.Curve = append(s.Curve, Point{Percentile: p.Percentile, Latency: ms(p.Latency)})
	}
	return s
}

func tally(t *load.Tally) Tally {
	return Tally{
		Requests: t.Requests, Failed: t.Failed(), Wrong: t.Wrong,
		Errors: maps.Clone(t.Errors), Examples: slices.Clone(t.Examples),
	}
}

func latency(s stats.Sample) Latency {
	return Latency{
		Timed: len(s), P50: ms(s.At(0.5)), P90: ms(s.At(0.9)), P99: ms(s.At(0.99)), P999: ms(s.At(0.999)), Max: ms(s.Max()),
	}
}

func ms(d time.Duration) float64 { return round(float64(d)/float64(time.Millisecond), 4) }

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}

package load

import (
	"context"
	"fmt"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/stats"
)

// Step is one rate on one server. Only the tally counts what a warm-up sent.
type Step struct {
	Rate  int
	Tally                           // everything that was sent
	Turns []*vegeta.Metrics         // one a round
	All   stats.Sample              // latencies of all requests, failed ones too
	Kinds [model.Kinds]stats.Sample // the same by kind
	Lag   stats.Sample              // how long after its time on the schedule a request went out
	Right int                       // right answers
	parts [model.Kinds][]time.Duration
	lags  []time.Duration
	p50s  []time.Duration
	p99s  []time.Duration
}

func newStep(rate int) *Step { return &Step{Rate: rate} }

// maxBody bounds what is kept of an answer, in bytes; one that is longer than any
// list of this load is cut, so no JSON, so wrong.
const maxBody = 1 << 20

// turn sends for one round's time.
func (s *Step) turn(ctx context.Context, c *Config, server *Server, seed int64) {
	client := newClient(c.Workers, c.Timeout)
	defer client.CloseIdleConnections()
	attacker := vegeta.NewAttacker(
		vegeta.Client(client),
		vegeta.Workers(uint64(min(c.Workers, 16))),
		vegeta.MaxWorkers(uint64(c.Workers)),
		vegeta.MaxBody(maxBody),
	)
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()

	flight := newFlight(NewGenerator(server.model, c, seed), server.URL)
	pacer := vegeta.ConstantPacer{Freq: s.Rate, Per: time.Second}
	interval := time.Second / time.Duration(s.Rate)
	metrics := &vegeta.Metrics{}
	var latencies []time.Duration
	began := time.Now()
	for result := range attacker.Attack(flight.target, pacer, c.Warmup+c.Duration/time.Duration(c.Rounds), "") {
		request := flight.land(result.URL)
		if request == nil {
			s.count(fmt.Errorf("not sent: %s", result.Error))
			continue
		}
		err := s.judge(server.model, request, int(result.Code), result.Body, result.Error)
		sent := result.Timestamp.Sub(began)
		if sent < c.Warmup {
			continue
		}
		if err == nil {
			s.Right++
		}
		latencies = append(latencies, result.Latency)
		s.parts[request.Kind] = append(s.parts[request.Kind], result.Latency)
		s.lags = append(s.lags, max(0, sent-time.Duration(result.Seq+1)*interval))
		metrics.Add(result)
	}
	metrics.Close()
	s.Turns = append(s.Turns, metrics)
	sample := stats.NewSample(latencies)
	s.p50s, s.p99s = append(s.p50s, sample.At(0.5)), append(s.p99s, sample.At(0.99))
}

// finish sorts what was measured.
func (s *Step) finish() {
	var all []time.Duration
	for kind, part := range s.parts {
		all = append(all, part...)
		s.Kinds[kind] = stats.NewSample(part)
	}
	s.All, s.Lag = stats.NewSample(all), stats.NewSample(s.lags)
}

// seconds is how long the turns took, from the first request to the last answer.
func (s *Step) seconds() float64 {
	var d time.Duration
	for _, m := range s.Turns {
		d += m.Duration + m.Wait
	}
	return d.Seconds()
}

// SentRate is requests a second that were sent.
func (s *Step) SentRate() float64 {
	var d time.Duration
	for _, m := range s.Turns {
		d += m.Duration
	}
	return perSecond(len(s.All)-len(s.Turns), d.Seconds())
}

// Throughput is right answers a second.
func (s *Step) Throughput() float64 { return perSecond(s.Right, s.seconds()) }

func perSecond(n int, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// Bytes is the sum of the bodies' lengths.
func (s *Step) Bytes() (in, out uint64) {
	for _, m := range s.Turns {
		in += m.BytesIn.Total
		out += m.BytesOut.Total
	}
	return in, out
}

// Statuses counts answers by status; "0" is no answer.
func (s *Step) Statuses() map[string]int {
	sum := map[string]int{}
	for _, m := range s.Turns {
		for status, n := range m.StatusCodes {
			sum[status] += n
		}
	}
	return sum
}

// Rounds is p50 and p99 of each round: their spread is what a difference has to
// exceed before it means something.
func (s *Step) Rounds() (p50s, p99s []time.Duration) { return s.p50s, s.p99s }

func (s *Step) line(name string) string {
	return fmt.Sprintf("%-12s %6d/s: %8.1f/s right, p50 %v, p99 %v, %d failed (%d wrong)", name, s.Rate, s.Throughput(),
		s.All.At(0.5).Round(time.Microsecond), s.All.At(0.99).Round(time.Microsecond), s.Failed(), s.Wrong)
}

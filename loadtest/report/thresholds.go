package report

import (
	"fmt"
	"time"
)

// Limits are what a run may reach at most, on each server whose answers are read.
type Limits struct {
	P99    time.Duration // in every step; 0 is no limit
	Errors float64       // share of requests without a right answer, in every step and pass; below 0 is no limit
	Wrong  int           // wrong answers of a server in all; below 0 is no limit
}

// Thresholds is what became of the limits.
type Thresholds struct {
	MaxP99    float64  `json:"max_p99_ms,omitempty"`
	MaxErrors float64  `json:"max_errors"`
	MaxWrong  int      `json:"max_wrong"`
	Broken    []string `json:"broken"`
}

func (l Limits) judge(s *Summary) Thresholds {
	t := Thresholds{MaxP99: ms(l.P99), MaxErrors: l.Errors, MaxWrong: l.Wrong, Broken: []string{}}
	broken := func(format string, args ...any) { t.Broken = append(t.Broken, fmt.Sprintf(format, args...)) }
	for _, server := range s.Servers {
		if !server.Checked {
			continue
		}
		wrong := 0
		share := func(what string, tally Tally) {
			wrong += tally.Wrong
			if l.Errors >= 0 && float64(tally.Failed) > l.Errors*float64(tally.Requests) {
				broken("%s, %s: %d of %d requests failed", server.Name, what, tally.Failed, tally.Requests)
			}
		}
		share("making sessions", server.Prefill)
		for _, step := range server.Steps {
			share(fmt.Sprintf("%d/s", step.Rate), step.Tally)
			if step.Timed == 0 {
				broken("%s, %d/s: nothing was measured", server.Name, step.Rate)
			}
			if l.P99 > 0 && step.P99 > ms(l.P99) {
				broken("%s, %d/s: p99 is %.2f ms, over %v", server.Name, step.Rate, step.P99, l.P99)
			}
		}
		share("reading all once more", server.Audit)
		share("removing sessions", server.Cleanup)
		if l.Wrong >= 0 && wrong > l.Wrong {
			broken("%s: %d wrong answers", server.Name, wrong)
		}
	}
	return t
}

// Failed is the number of requests without a right answer, wrong ones included,
// in all, and how many of them were wrong.
func (s *Server) Failed() (failed, wrong int) {
	tallies := []Tally{s.Prefill, s.Audit, s.Cleanup}
	for _, step := range s.Steps {
		tallies = append(tallies, step.Tally)
	}
	for _, t := range tallies {
		failed += t.Failed
		wrong += t.Wrong
	}
	return failed, wrong
}

// Examples is some of a server's failures, in words.
func (s *Server) Examples() []string {
	const most = 12
	var lines []string
	add := func(what string, t Tally) {
		for failure, n := range t.Errors {
			lines = append(lines, fmt.Sprintf("%s: %d × %s", what, n, failure))
		}
		for _, example := range t.Examples {
			lines = append(lines, what+": wrong: "+example)
		}
	}
	add("making sessions", s.Prefill)
	for _, step := range s.Steps {
		add(fmt.Sprintf("%d/s", step.Rate), step.Tally)
	}
	add("reading all once more", s.Audit)
	add("removing sessions", s.Cleanup)
	return lines[:min(len(lines), most)]
}

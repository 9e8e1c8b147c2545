package report

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// behind is the share of the asked rate below which a step is marked: the server
// or the generator could not keep up, and its latencies are of another load.
const behind = 0.97

// KeptUp reports whether the rate that was asked for was sent.
func (s Step) KeptUp() bool { return s.Sent >= behind*float64(s.Rate) }

// Ratio is a step against the same step of the first server.
type Ratio struct {
	P50, P99, Throughput float64
	Errors               string // counts: ratios of nearly nothing say nothing
}

// Ratios compares step i of server with that of the first server.
func (s *Summary) Ratios(server, i int) Ratio {
	first, step := s.Servers[0].Steps[i], s.Servers[server].Steps[i]
	return Ratio{
		P50: over(step.P50, first.P50), P99: over(step.P99, first.P99), Throughput: over(step.Throughput, first.Throughput),
		Errors: fmt.Sprintf("%d to %d", step.Failed, first.Failed),
	}
}

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Table writes the figures and, with more than one server, the ratios.
func (s *Summary) Table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "rate/s\tserver\tsent/s\tright/s\tp50 ms\tp90 ms\tp99 ms\tp99.9 ms\tmax ms\tget p99\tlag p99\tfailed\twrong\t")
	s.each(func(server Server, i int) {
		step := server.Steps[i]
		mark := ""
		if !step.KeptUp() {
			mark = "!"
		}
		fmt.Fprintf(t, "%d\t%s\t%s%.0f\t%.0f\t%.3f\t%.3f\t%.3f\t%.3f\t%.2f\t%.3f\t%.3f\t%d\t%d\t\n", step.Rate, server.Name, mark, step.Sent,
			step.Throughput, step.P50, step.P90, step.P99, step.P999, step.Max, step.Kinds["get"].P99, step.Lag, step.Failed, step.Wrong)
	})
	t.Flush()
	if len(s.Servers) > 1 {
		fmt.Fprintf(w, "\nratios to %s\n", s.Servers[0].Name)
		t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "rate/s\tserver\tp50\tp99\tright/s\tfailed\t")
		for i, first := range s.Servers[0].Steps {
			for n := 1; n < len(s.Servers); n++ {
				r := s.Ratios(n, i)
				fmt.Fprintf(t, "%d\t%s\t%.2f\t%.2f\t%.2f\t%s\t\n", first.Rate, s.Servers[n].Name, r.P50, r.P99, r.Throughput, r.Errors)
			}
		}
		t.Flush()
	}
	for _, server := range s.Servers {
		if !server.Checked {
			continue
		}
		failed, wrong := server.Failed()
		fmt.Fprintf(w, "\n%s: %d failed in all, %d of them wrong\n", server.Name, failed, wrong)
		for _, line := range server.Examples() {
			fmt.Fprintln(w, "  "+line)
		}
	}
	for _, line := range s.Thresholds.Broken {
		fmt.Fprintln(w, "threshold broken: "+line)
	}
}

// each calls f for each rate and server, rates outside.
func (s *Summary) each(f func(server Server, step int)) {
	for i := range s.Servers[0].Steps {
		for _, server := range s.Servers {
			f(server, i)
		}
	}
}

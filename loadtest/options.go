package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"rest-sessions/loadtest/load"
	"rest-sessions/loadtest/report"
)

type options struct {
	load   load.Config
	limits report.Limits
	out    string
}

// rates is a comma list of requests a second.
type rates []int

func (r *rates) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(*r)), " ", ","), "[]")
}

func (r *rates) Set(text string) error {
	*r = nil
	for _, part := range strings.Split(text, ",") {
		rate, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || rate < 1 || rate > 1_000_000 {
			return fmt.Errorf("%q is not a number of requests a second", part)
		}
		*r = append(*r, rate)
	}
	return nil
}

// parse reads the command line; what is wrong with it is written to stderr.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{load: load.Config{Mix: load.WebMix, Rates: []int{500, 1000, 2000}}}
	c := &o.load
	choice := "zipf"
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: loadtest [flags] [NAME=]URL[,check=off]...")
		flags.PrintDefaults()
	}
	flags.Var((*rates)(&c.Rates), "rates", "requests a second, a step for each")
	flags.DurationVar(&c.Duration, "duration", 10*time.Second, "length of a step for each server")
	flags.IntVar(&c.Rounds, "rounds", 2, "turns that a step is cut into; servers take turns")
	flags.DurationVar(&c.Warmup, "warmup", 500*time.Millisecond, "load before each turn that is not timed")
	flags.IntVar(&c.Sessions, "sessions", 10_000, "sessions that are made first")
	flags.Var(&c.Mix, "mix", "shares of the kinds of requests")
	flags.StringVar(&choice, "choice", choice, "how sessions are chosen: zipf or uniform")
	flags.Int64Var(&c.Seed, "seed", 1, "of the random choices; equal seeds, equal load")
	flags.DurationVar(&c.Timeout, "timeout", 5*time.Second, "longest wait for an answer")
	flags.IntVar(&c.Workers, "workers", 2000, "most requests in flight")
	flags.BoolVar(&c.Keep, "keep", false, "leave the sessions there at the end")
	flags.StringVar(&o.out, "out", "out", "directory of the report")
	flags.DurationVar(&o.limits.P99, "max-p99", 0, "threshold: longest p99 of a step; 0 is none")
	flags.Float64Var(&o.limits.Errors, "max-errors", 0, "threshold: largest share of failed requests, wrong answers included; -1 is none")
	flags.IntVar(&o.limits.Wrong, "max-wrong", 0, "threshold: most wrong answers of a server; -1 is none")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := func() error {
		names := map[string]bool{}
		for _, arg := range flags.Args() {
			t, err := load.ParseTarget(arg)
			if err != nil {
				return err
			}
			if names[t.Name] {
				return fmt.Errorf("two servers are named %q: write NAME=URL", t.Name)
			}
			names[t.Name] = true
			c.Targets = append(c.Targets, t)
		}
		switch {
		case len(c.Targets) == 0:
			return fmt.Errorf("no URL of a server")
		case choice != "zipf" && choice != "uniform":
			return fmt.Errorf("-choice is zipf or uniform, not %q", choice)
		case c.Duration <= 0 || c.Rounds < 1 || c.Warmup < 0 || c.Sessions < 1 || c.Timeout <= 0 || c.Workers < 1:
			return fmt.Errorf("-duration, -rounds, -sessions, -timeout and -workers must be above zero, -warmup not below it")
		}
		c.Zipf = choice == "zipf"
		return nil
	}()
	if err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
	}
	return o, err
}

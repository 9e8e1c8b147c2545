// Package load runs the load: fixed rates of requests, open loop, against servers
// in turn, with every answer read and judged by package model.
//
// Requests go through vegeta's Attacker. It judges answers by their status only,
// so here each request carries a number in the fragment of its URL, which is not
// sent; it comes back in the URL of vegeta's Result, beside the recorded Body, and
// names the request that this body must answer. Latencies are measured by then:
// what judging costs is not in them.
package load

import (
	"context"
	"fmt"
	"math/rand"
	"time"

	"rest-sessions/loadtest/model"
)

// Config is what to run.
type Config struct {
	Targets  []Target
	Rates    []int         // requests a second; a step for each
	Duration time.Duration // of a step, for each server, all rounds together
	Rounds   int           // how many turns a step is cut into; servers alternate
	Warmup   time.Duration // before each turn; answers are judged but not timed
	Sessions int           // made before the first step
	Mix      Mix
	Zipf     bool // else sessions are chosen uniformly
	Seed     int64
	Timeout  time.Duration // for one answer
	Workers  int           // most requests in flight
	Keep     bool          // leave the sessions there
	Log      func(format string, args ...any)
}

// users is how many users the sessions belong to: some have several.
func (c *Config) users() int { return max(1, c.Sessions*4/5) }

// Server is what was measured of a target.
type Server struct {
	Target
	App     string
	Prefill Pass
	Steps   []*Step // one a rate
	Audit   Pass    // every session read once more after the last step
	Cleanup Pass

	model *model.Model
}

// Failed is the number of requests without a right answer, wrong ones included,
// outside the steps.
func (s *Server) Failed() int { return s.Prefill.Failed() + s.Audit.Failed() + s.Cleanup.Failed() }

// Run runs it all. An error means that it could not be run; failed requests and
// wrong answers are in the servers' tallies. Whatever happens, sessions are removed.
func Run(ctx context.Context, c *Config) (servers []*Server, err error) {
	for _, t := range c.Targets {
		app := fmt.Sprintf("load%08x", rand.Uint32())
		servers = append(servers, &Server{Target: t, App: app, model: model.New(app, t.Check)})
	}
	defer func() {
		for _, s := range servers {
			if !c.Keep {
				s.clean(c)
			}
		}
	}()
	for _, s := range servers {
		if err := s.prefill(ctx, c); err != nil {
			return servers, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for i, rate := range c.Rates {
		for _, s := range servers {
			s.Steps = append(s.Steps, newStep(rate))
		}
		for round := range c.Rounds {
			for n := range servers {
				// In the opposite order every other round, so that none is always first.
				if round%2 == 1 {
					n = len(servers) - 1 - n
				}
				seed := c.Seed + int64(i*c.Rounds+round+1)
				servers[n].Steps[i].turn(ctx, c, servers[n], seed)
				if ctx.Err() != nil {
					return servers, ctx.Err()
				}
			}
		}
		for _, s := range servers {
			s.Steps[i].finish()
			c.Log("%s", s.Steps[i].line(s.Name))
		}
	}
	for _, s := range servers {
		s.audit(ctx, c)
	}
	return servers, ctx.Err()
}

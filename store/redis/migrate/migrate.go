// Package migrate copies all sessions of a namespace to another Redis, a Redis Cluster, or
// another namespace, while they are in use. A pass scans the index of each app by last
// activity, upwards: a session in use moves ahead of the scan, so none is missed. The next
// pass begins where the last one began. Notes of each copy show what ended in the source and
// what was used in the target since: see lua/import.lua.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"rest-sessions/store"
	"rest-sessions/store/redis"
)

// Options says what to migrate, and how.
type Options struct {
	From, To redis.Options
	// Rate is the most sessions read a second, 0 for no limit.
	Rate int
	// DryRun writes nothing.
	DryRun bool
	// Last says that no server uses the source any more: this run ends the migration.
	Last bool
	// List is a file for the tokens that cannot be kept in the target, or "".
	List string
	// Out gets the lines that say what was done, Logf what goes wrong meanwhile.
	Out  io.Writer
	Logf func(format string, args ...any)
	// Progress shows how far a step is.
	Progress Progress
}

const (
	// skew is how many seconds the clock of a Node server's host, by which it writes, may
	// be behind the source's: a pass looks at what was used so long before the last began.
	skew = 10
	// overlap is where it begins to: an entry of an index trails the hash.
	overlap = store.MaxWindow + skew
	// shortPass is how long the pass lasts after which another would not be shorter.
	shortPass = 3 * time.Second
	maxPasses = 10
	// checks is how often the sessions are counted, with a pass before each, until
	// source and target agree: some may end while they are counted.
	checks = 3
)

// Mistake is an error that the user mends by another command line.
type Mistake string

func (m Mistake) Error() string { return string(m) }

// ErrDiffer means that in the end source and target did not have the same sessions.
var ErrDiffer = errors.New("source and target differ")

// migration is one run.
type migration struct {
	Options
	from    *source
	to      *target
	limit   *rate.Limiter
	ahead   int64 // seconds that the target's clock is ahead of the source's
	state   state
	apps    map[string]bool // all that the migration has seen, also in earlier runs
	resumed bool            // whether the pass was begun by an earlier run
	named   atomic.Int64    // sessions that something was wrong with

	mu sync.Mutex // guards Progress
}

// Run migrates. When ctx ends it stops soon, and another run goes on from there.
func Run(ctx context.Context, o Options) error {
	if o.From.Place() == o.To.Place() {
		return Mistake("--from and --to are the same: " + o.From.Place())
	}
	m := &migration{Options: o, apps: map[string]bool{}, limit: rate.NewLimiter(rate.Inf, 0)}
	if o.Rate > 0 {
		m.limit = rate.NewLimiter(rate.Limit(o.Rate), burst)
	}
	o.From.ReadOnly, o.To.ReadOnly = true, o.DryRun
	o.From.Logf, o.To.Logf = o.Logf, o.Logf
	var err error
	if m.from, err = openSource(o.From); err != nil {
		return Mistake("--from: " + err.Error())
	}
	defer m.from.close()
	if m.to, err = openTarget(o.To); err != nil {
		return Mistake("--to: " + err.Error())
	}
	defer m.to.close()
	if err := m.begin(ctx); err != nil {
		return err
	}
	m.say("from %s\nto   %s", o.From.Place(), o.To.Place())
	if o.DryRun {
		return m.try(ctx)
	}
	if err := m.passes(ctx); err != nil {
		return err
	}
	return m.end(ctx)
}

func (m *migration) say(format string, args ...any) { fmt.Fprintf(m.Out, format+"\n", args...) }

// begin finds out where the migration is.
func (m *migration) begin(ctx context.Context) error {
	if err := m.measureClocks(ctx); err != nil {
		return err
	}
	if err := m.loadState(ctx); err != nil {
		return err
	}
	held, err := m.sourceHolds(ctx)
	if err == nil && !held {
		err = fmt.Errorf("there are no sessions at %s: nothing is done (is --from-namespace right? The original uses rs)", m.From.Place())
	}
	return err
}

// measureClocks compares the two clocks. Less than two seconds are within what the
// comparison errs by, and the idle time of a session is whole seconds.
func (m *migration) measureClocks(ctx context.Context) error {
	var there, here, again time.Time
	// Of a Redis that is not there from the start, the user hears soon.
	err := m.persistFor(ctx, min(patience, firstPatience), func() (err error) {
		if there, err = m.from.now(ctx); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		if here, err = m.to.now(ctx); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		if again, err = m.from.now(ctx); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	apart := here.Sub(there.Add(again.Sub(there) / 2)).Round(time.Second)
	if apart.Abs() >= 2*time.Second {
		m.ahead = int64(apart / time.Second)
		m.say("the target's clock is %d s ahead of the source's: times in sessions are moved by that", m.ahead)
	}
	return nil
}

// sourceHolds reports whether the source has sessions, and adds its apps to those
// known. An app that is new after that is for the next run: to find them, all keys of
// the source are looked at.
func (m *migration) sourceHolds(ctx context.Context) (held bool, err error) {
	err = m.persist(ctx, func() error {
		held = false
		apps, err := m.from.apps(ctx)
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		for _, app := range apps {
			m.apps[app] = true
			buckets, err := m.from.buckets(ctx, app)
			if err != nil {
				return err
			}
			for _, b := range buckets {
				n, err := m.from.size(ctx, b, "-inf")
				if err != nil {
					return fmt.Errorf("--from: %w", err)
				}
				held = held || n > 0
			}
		}
		return nil
	})
	return held, err
}

// known are the apps seen so far, in order.
func (m *migration) known() []string { return slices.Sorted(maps.Keys(m.apps)) }

// passes copies until little is left to copy.
func (m *migration) passes(ctx context.Context) error {
	var before time.Duration
	for n := 1; n <= maxPasses; n++ {
		began := time.Now()
		t, err := m.pass(ctx, fmt.Sprintf("pass %d", n))
		if err != nil {
			return err
		}
		took := time.Since(began)
		m.say("pass %d: %s, in %v", n, t, took.Round(100*time.Millisecond))
		if m.resumed { // it began long ago
			m.resumed = false
			continue
		}
		if m.Last || took < shortPass || n > 1 && took > before*8/10 {
			return nil
		}
		before = took
	}
	return nil
}

// end ends the copies of what ended in the source, and counts.
func (m *migration) end(ctx context.Context) error {
	for n := 1; ; n++ {
		counts, err := m.settleAndCount(ctx)
		if err != nil {
			return err
		}
		wrong := counts.wrong()
		switch {
		case !m.Last:
			counts.report(m)
			m.say("When no server uses the source any more, run this again with --last.")
			return nil
		case len(wrong) == 0:
			counts.report(m)
			if err := m.finish(ctx); err != nil {
				return err
			}
			m.say("The migration is complete.")
			return nil
		case n == checks:
			counts.report(m)
			for _, line := range wrong {
				m.say("%s", line)
			}
			return fmt.Errorf("%w, %d times in a row: is the source still in use? Run this again when it is not", ErrDiffer, checks)
		}
		if _, err := m.pass(ctx, "pass"); err != nil {
			return err
		}
	}
}

// try tells what would be done.
func (m *migration) try(ctx context.Context) error {
	t, err := m.pass(ctx, "dry run")
	if err != nil {
		return err
	}
	counts, err := m.settleAndCount(ctx)
	if err != nil {
		return err
	}
	counts.report(m)
	m.say("would be done: %s", t)
	return nil
}

package migrate

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// The fields of the state that the target keeps.
const (
	fromField  = "from"  // the source's Place
	nonceField = "nonce" // to know the target by
	sinceField = "since" // when the last pass that has ended began, by the source's clock
	startField = "start" // when the pass began that has not ended, by the source's clock
	doneField  = "done"  // when the migration was completed
	appPrefix  = "app "  // an app that the migration has seen: appBegun or appScanned
	atPrefix   = "at "   // where the pass is in a bucket: "start score member", or "start"
)

const (
	appBegun   = "begun"
	appScanned = "walked" // from one end to the other, at least once
)

// saveEvery is how often positions are kept. What was copied since is looked at again
// after a crash, which changes nothing.
const saveEvery = time.Second

// state is how far a migration is.
type state struct {
	since int64             // 0: no pass has ended
	start int64             // 0: no pass has begun
	apps  map[string]string // what is kept of each
	at    map[string]string // by bucket
	dirty map[string]string // fields to be kept
	saved time.Time
}

// loadState reads what an earlier run has kept, and makes sure that the target is not
// the source.
func (m *migration) loadState(ctx context.Context) error {
	m.state = state{apps: map[string]string{}, at: map[string]string{}, dirty: map[string]string{}}
	var kept map[string]string
	err := m.persist(ctx, func() (err error) {
		kept, err = m.to.state(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	for name, value := range kept {
		if app, ok := strings.CutPrefix(name, appPrefix); ok {
			m.state.apps[app] = value
			m.apps[app] = true
		} else if bucket, ok := strings.CutPrefix(name, atPrefix); ok {
			m.state.at[bucket] = value
		}
	}
	if done := kept[doneField]; done != "" {
		if !m.DryRun && len(m.state.apps) > 0 { // it was interrupted there
			if err := m.forget(ctx); err != nil {
				return err
			}
		}
		return Mistake(fmt.Sprintf("the migration into %s was completed on %s. Another could bring back sessions that have ended there since: "+
			"if it is meant all the same, remove the key of its state, which ends in migration, by redis-cli", m.To.Place(), done))
	}
	if from := kept[fromField]; from != "" && from != m.From.Place() {
		return Mistake(fmt.Sprintf("a migration into %s from %s has begun; complete it with --last first", m.To.Place(), from))
	}
	var err1, err2 error
	m.state.since, err1 = strconv.ParseInt("0"+kept[sinceField], 10, 64)
	m.state.start, err2 = strconv.ParseInt("0"+kept[startField], 10, 64)
	if err := cmp.Or(err1, err2); err != nil {
		return fmt.Errorf("the state of the migration is damaged: %w", err)
	}
	m.resumed = m.state.start != 0
	if m.DryRun {
		m.state.since, m.state.start, m.state.at, m.resumed = 0, 0, map[string]string{}, false
		clear(m.state.apps)
		return nil
	}
	return m.meet(ctx, kept[nonceField])
}

// meet marks the target, and looks for the mark in the source: two addresses may be of
// one Redis.
func (m *migration) meet(ctx context.Context, nonce string) error {
	if nonce == "" {
		nonce = rand.Text()
		if err := m.keep(ctx, map[string]string{fromField: m.From.Place(), nonceField: nonce}); err != nil {
			return err
		}
	}
	var there map[string]string
	err := m.persist(ctx, func() (err error) {
		there, err = m.from.state(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if there[nonceField] == nonce {
		if err := m.to.dropState(ctx, fromField, nonceField); err != nil {
			return err
		}
		return Mistake("--from and --to are the same Redis and namespace, by two names")
	}
	return nil
}

// keep writes fields of the state.
func (m *migration) keep(ctx context.Context, fields map[string]string) error {
	err := m.persist(ctx, func() error { return m.to.setState(ctx, fields) })
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	return nil
}

// noteApp stores that an app has been seen.
func (m *migration) noteApp(ctx context.Context, app string) error {
	if m.DryRun || m.state.apps[app] != "" {
		return nil
	}
	m.state.apps[app] = appBegun
	return m.keep(ctx, map[string]string{appPrefix + app: appBegun})
}

// beginPass begins a pass, unless one that an earlier run began is to go on.
func (m *migration) beginPass(ctx context.Context) error {
	if m.state.start != 0 {
		return nil
	}
	var now time.Time
	err := m.persist(ctx, func() (err error) {
		now, err = m.from.now(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	m.state.start = now.Unix()
	if m.DryRun {
		return nil
	}
	return m.keep(ctx, map[string]string{startField: strconv.FormatInt(m.state.start, 10)})
}

// endPass lets the next pass begin where this one began.
func (m *migration) endPass(ctx context.Context) error {
	m.state.since, m.state.start = m.state.start, 0
	clear(m.state.dirty)
	dropped := []string{startField}
	for bucket := range m.state.at {
		dropped = append(dropped, atPrefix+bucket)
	}
	clear(m.state.at)
	if m.DryRun {
		return nil
	}
	// In this order: a pass that is thought to go on does no harm.
	fields := map[string]string{sinceField: strconv.FormatInt(m.state.since, 10)}
	for app := range m.state.apps {
		m.state.apps[app] = appScanned
		fields[appPrefix+app] = appScanned
	}
	if err := m.keep(ctx, fields); err != nil {
		return err
	}
	return m.persist(ctx, func() error { return m.to.dropState(ctx, dropped...) })
}

// beginOf is where a pass begins in an app: from which score it scans, and from which
// last activity on it copies.
func (m *migration) beginOf(app string) (score string, since int64) {
	if m.state.since == 0 || m.state.apps[app] != appScanned { // it is new
		return "-inf", 0
	}
	return strconv.FormatInt(m.state.since-overlap, 10), m.state.since - skew
}

// position is where the pass is in a bucket.
func (m *migration) position(b layout.Bucket) (at position, done bool) {
	start, rest, _ := strings.Cut(m.state.at[b.Prefix], " ")
	if start != strconv.FormatInt(m.state.start, 10) { // of no pass, or another
		score, _ := m.beginOf(b.App)
		return position{Score: score}, false
	}
	at.Score, at.Member, _ = strings.Cut(rest, " ")
	return at, rest == ""
}

func (m *migration) setPosition(bucket string, at position, done bool) {
	value := strconv.FormatInt(m.state.start, 10)
	if !done {
		value += " " + at.Score + " " + at.Member
	}
	m.state.at[bucket], m.state.dirty[atPrefix+bucket] = value, value
}

// savePositions keeps the positions, if it is time for it.
func (m *migration) savePositions(ctx context.Context, now bool) error {
	if m.DryRun || !now && time.Since(m.state.saved) < saveEvery {
		return nil
	}
	m.state.saved = time.Now()
	fields := maps.Clone(m.state.dirty)
	if err := m.keep(ctx, fields); err != nil {
		return err
	}
	clear(m.state.dirty)
	return nil
}

// saveAtEnd keeps the positions though ctx may have ended.
func (m *migration) saveAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := m.savePositions(ctx, true); err != nil {
		m.Logf("the last second's work will be looked at again: %v", err)
	}
}

// finish marks the migration as completed and removes the notes of copies.
func (m *migration) finish(ctx context.Context) error {
	if err := m.keep(ctx, map[string]string{doneField: time.Now().UTC().Format(time.RFC3339)}); err != nil {
		return err
	}
	return m.forget(ctx)
}

func (m *migration) forget(ctx context.Context) error {
	dropped := []string{sinceField, startField, nonceField}
	for app := range m.apps {
		buckets, err := m.to.buckets(ctx, app)
		if err != nil {
			return err
		}
		for _, b := range buckets {
			for cursor, more := "0", true; more; more = cursor != "0" {
				err := m.persist(ctx, func() error {
					next, err := m.to.forget(ctx, b, cursor)
					if err == nil {
						cursor = next
					}
					return err
				})
				if err != nil {
					return fmt.Errorf("--to: %w", err)
				}
			}
		}
		dropped = append(dropped, appPrefix+app)
	}
	return m.persist(ctx, func() error { return m.to.dropState(ctx, dropped...) })
}

// unavailable reports whether a Redis cannot be used just now.
func unavailable(err error) bool { return errors.Is(err, store.ErrUnavailable) }

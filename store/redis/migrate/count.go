package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rest-sessions/store/redis/internal/layout"
)

// count is what source and target have of an app.
type count struct {
	settled
	source   int // sessions alive in the source that can be kept in the target
	unmarked int // and those that cannot
	target   int // copies alive, by the target's index
}

type counts map[string]*count

// errEmptied ends a run before it ends every copy.
var errEmptied = errors.New("the source has no sessions any more: was it emptied? No more copies are ended")

// settleAndCount ends the copies of sessions that are not in the source any more, and
// counts what both have, all as of one moment.
func (m *migration) settleAndCount(ctx context.Context) (counts, error) {
	var now time.Time
	err := m.persist(ctx, func() (err error) {
		now, err = m.from.now(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	list, err := openList(m.List)
	if err != nil {
		return nil, err
	}
	defer list.close()
	all := counts{}
	m.Progress.Begin("check", -1)
	defer m.Progress.End()
	began := time.Now()
	for _, app := range m.known() {
		c := &count{}
		all[app] = c
		var source, copies error
		var wg sync.WaitGroup
		wg.Go(func() { source = m.countSource(ctx, app, now.Unix(), c, list) })
		wg.Go(func() {
			if copies = m.settle(ctx, app, now.Unix(), c); copies == nil {
				copies = m.countTarget(ctx, app, now.Unix()+m.ahead, c)
			}
		})
		wg.Wait()
		if err := cmp.Or(copies, source); err != nil {
			return nil, err
		}
	}
	m.say("checked in %v", time.Since(began).Round(100*time.Millisecond))
	return all, list.close()
}

// settle looks at all copies of an app.
func (m *migration) settle(ctx context.Context, app string, now int64, c *count) error {
	buckets, err := m.to.buckets(ctx, app)
	if err != nil {
		return err
	}
	found := make([]settled, len(buckets))
	err = each(buckets, func(i int, b layout.Bucket) error { return m.settleBucket(ctx, b, now, &found[i]) })
	for _, n := range found {
		c.Add(n)
	}
	return err
}

func (m *migration) settleBucket(ctx context.Context, b layout.Bucket, now int64, n *settled) error {
	for cursor, more := "0", true; more; more = cursor != "0" {
		var tokens []string
		var there []byte
		err := m.persist(ctx, func() (err error) {
			next := ""
			if tokens, next, err = m.to.copies(ctx, b, cursor); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			if there, err = m.from.there(ctx, b.App, tokens, now); err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			cursor = next
			return nil
		})
		if err != nil {
			return err
		}
		if err := m.pace(ctx, len(tokens)); err != nil {
			return err
		}
		if len(tokens) > 0 && !slices.Contains(there, '1') {
			// A Redis that was restarted empty says the same of all.
			if err := m.notEmptied(ctx); err != nil {
				return err
			}
		}
		var found settled
		if err := m.persist(ctx, func() (err error) {
			found, err = m.to.settle(ctx, b, tokens, there, now+m.ahead, m.DryRun)
			return err
		}); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		n.Add(found)
		m.advance(len(tokens))
	}
	return nil
}

// countTarget counts the copies of an app that the target's index has.
func (m *migration) countTarget(ctx context.Context, app string, now int64, c *count) error {
	buckets, err := m.to.buckets(ctx, app)
	if err != nil {
		return err
	}
	live := make([]int, len(buckets))
	err = each(buckets, func(i int, b layout.Bucket) error {
		return m.scanLive(ctx, &m.to.side, b, now, true, func(members []string) error {
			live[i] += len(members)
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	for _, n := range live {
		c.target += n
	}
	return nil
}

// pace is the rate limit of what costs a fifth of a copy.
func (m *migration) pace(ctx context.Context, n int) error {
	return m.limit.WaitN(ctx, min((n+4)/5, burst))
}

// notEmptied makes sure that the source still has a session of an app that it had.
func (m *migration) notEmptied(ctx context.Context) error {
	held := errors.New("found")
	err := m.eachBucket(ctx, &m.from.side, func(b layout.Bucket) error {
		n, err := m.from.size(ctx, b, "-inf")
		if err == nil && n > 0 {
			err = held
		}
		return err
	})
	switch {
	case err == held:
		return nil
	case err == nil:
		return errEmptied
	}
	return fmt.Errorf("--from: %w", err)
}

// countSource counts an app's sessions in the source, and lists those that cannot be
// kept in the target.
func (m *migration) countSource(ctx context.Context, app string, now int64, c *count, list *list) error {
	buckets, err := m.from.buckets(ctx, app)
	if err != nil {
		return err
	}
	for _, b := range buckets {
		err := m.scanLive(ctx, &m.from.side, b, now, false, func(members []string) error {
			for _, member := range members {
				token, id, _ := strings.Cut(member, ":")
				belongs, err := m.to.belongs(ctx, token, id)
				if err != nil {
					return err
				}
				if belongs {
					c.source++
					continue
				}
				c.unmarked++
				if err := list.add(app, token, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	return nil
}

// scanLive calls f with each step of a bucket's live sessions.
func (m *migration) scanLive(ctx context.Context, s *side, b layout.Bucket, now int64, copies bool, f func([]string) error) error {
	for at := (position{Score: "-inf"}); at.Score != ""; {
		var members []string
		var next position
		err := m.persist(ctx, func() (err error) {
			members, next, err = s.alive(ctx, b, at, now, copies)
			return err
		})
		if err != nil {
			return err
		}
		if err := f(members); err != nil {
			return err
		}
		at = next
		if err := m.pace(ctx, len(members)); err != nil {
			return err
		}
		m.advance(len(members))
	}
	return nil
}

// wrong says in which apps source and target differ.
func (all counts) wrong() []string {
	var lines []string
	for _, app := range slices.Sorted(maps.Keys(all)) {
		c := all[app]
		if n := c.source - c.Live - c.Ended; n != 0 {
			lines = append(lines, fmt.Sprintf("%s: the source has %d sessions that can be copied, and %d of them were", app, c.source, c.Live+c.Ended))
		}
		if n := c.target - c.Live - c.Kept; n != 0 {
			lines = append(lines, fmt.Sprintf("%s: the target should have %d copies, and its index has %d", app, c.Live+c.Kept, c.target))
		}
	}
	return lines
}

// report says what was counted.
func (all counts) report(m *migration) {
	unmarked := 0
	for _, app := range slices.Sorted(maps.Keys(all)) {
		c := all[app]
		unmarked += c.unmarked
		text := fmt.Sprintf("%s: %d live in the source, %d copies live in the target", app, c.source+c.unmarked, c.target)
		for _, part := range []struct {
			n    int
			what string
		}{
			{c.unmarked, "have a token that was not made by this server"},
			{c.Ended, "ended in the target since"},
			{c.Dropped, "ended, since they ended in the source"},
			{c.Kept, "used in the target since, and expired in the source"},
		} {
			if part.n > 0 {
				text += fmt.Sprintf(", %d %s", part.n, part.what)
			}
		}
		m.say("%s", text)
	}
	if unmarked > 0 && m.List == "" {
		m.say("Sessions whose token was not made by this server cannot be found in a Redis Cluster, and their users must log in again: --list FILE lists them.")
	}
}

package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rest-sessions/store"
)

// traceLen is how many operations are shown when two stores differ.
const traceLen = 30

// Differential does ops random operations to both stores, which are empty and
// have clock as their only clock, and compares each answer; then it compares what
// is left in them. The same seed makes the same operations, but for the random
// part of tokens. The caller closes the stores.
func Differential(t *testing.T, seed uint64, ops int, a, b store.Store, clock *Clock) {
	t.Helper()
	if err := diverge(t.Context(), seed, ops, a, b, clock); err != nil {
		t.Fatal(err)
	}
}

// diverge returns the first difference.
func diverge(ctx context.Context, seed uint64, ops int, a, b store.Store, clock *Clock) error {
	w := newWorkload(seed, clock)
	var trace []string
	do := func(name string, op operation) error {
		x, y := op(ctx, a), op(ctx, b)
		trace = append(trace, fmt.Sprintf("at %d %s: %s", clock.Now()-w.start, name, x))
		if x == y && !strings.HasPrefix(x, faultPrefix) {
			return nil
		}
		return fmt.Errorf("seed %d, operation %d of %d:\n  %s\nthe first store answers\n  %s\nand the second\n  %s\nafter\n  %s",
			seed, len(trace), ops, name, x, y,
			strings.Join(trace[max(0, len(trace)-1-traceLen):len(trace)-1], "\n  "))
	}
	for range ops {
		if name, op := w.next(); op != nil {
			if err := do(name, op); err != nil {
				return err
			}
		} else {
			trace = append(trace, name)
		}
	}
	for name, op := range w.remains() {
		if err := do(name, op); err != nil {
			return err
		}
	}
	return nil
}

// operation does something to a store and returns the answer in words.
type operation func(ctx context.Context, s store.Store) string

// faultPrefix begins an answer that no operation on a sound store has, whatever
// the other store says.
const faultPrefix = "FAULT "

// said returns an answer in words; errors that a caller cannot tell apart are the
// same.
func said(answer any, err error) string {
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return faultPrefix + err.Error()
	case errors.Is(err, store.ErrNotFound):
		return "no such session"
	case errors.Is(err, store.ErrConflict):
		return fmt.Sprintf("conflict with %+v", answer)
	case errors.Is(err, store.ErrTooLarge):
		return "too large"
	case err != nil:
		return faultPrefix + err.Error()
	}
	return fmt.Sprintf("%+v", answer)
}

func create(app, token string, n store.New) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Create(ctx, app, token, n)) }
}

func get(app, token string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Get(ctx, app, token)) }
}

func set(app, token string, d store.Data) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Set(ctx, app, token, d)) }
}

func getWith(app, token string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.GetWith(ctx, app, token)) }
}

func peek(app, token string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Peek(ctx, app, token)) }
}

func touch(app, token string, ttl, maxAge int64) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Touch(ctx, app, token, ttl, maxAge)) }
}

// setIf sets if the session's w is what Peek answers, and by more.
func setIf(app, token string, more int64, d store.Data) operation {
	return func(ctx context.Context, s store.Store) string {
		now, err := s.Peek(ctx, app, token)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return said(now, err)
		}
		return said(s.SetIf(ctx, app, token, max(0, now.W+more), d))
	}
}

func killHandle(app, id, handle string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.KillHandle(ctx, app, id, handle)) }
}

func move(app, token, fresh string, m store.Move) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Move(ctx, app, token, fresh, m)) }
}

func activity(app string, dt int64) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Activity(ctx, app, dt)) }
}

func ofApp(app string, dt int64) operation {
	return func(ctx context.Context, s store.Store) string {
		return said(readAll(ctx, s.SessionsOfApp(ctx, app, dt)))
	}
}

func ofID(app, id string) operation {
	return func(ctx context.Context, s store.Store) string {
		sessions, err := readAll(ctx, s.SessionsOfID(ctx, app, id))
		slices.SortFunc(sessions, compareSessions)
		return said(sessions, err)
	}
}

// compareSessions gives lists that have no order one, by all that may differ.
func compareSessions(a, b store.Session) int {
	return cmp.Or(
		cmp.Compare(a.Idle, b.Idle), cmp.Compare(a.TTL, b.TTL), cmp.Compare(a.R, b.R), cmp.Compare(a.W, b.W),
		strings.Compare(a.D, b.D), strings.Compare(a.IP, b.IP), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)),
	)
}

// inPages joins the pages of a list.
func inPages(ctx context.Context, page func(cursor string) store.Page) ([]store.Session, error) {
	var all []store.Session
	cursor := ""
	for range 10_000 {
		p := page(cursor)
		sessions, err := readAll(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, sessions...)
		if cursor = p.Cursor(); cursor == "" {
			return all, nil
		}
	}
	return nil, errors.New("the list does not end")
}

func ofAppInPages(app string, dt int64, limit int) operation {
	return func(ctx context.Context, s store.Store) string {
		return said(inPages(ctx, func(cursor string) store.Page { return s.PageOfApp(ctx, app, dt, limit, cursor) }))
	}
}

func ofIDInPages(app, id string, limit int) operation {
	return func(ctx context.Context, s store.Store) string {
		return said(inPages(ctx, func(cursor string) store.Page { return s.PageOfID(ctx, app, id, limit, cursor) }))
	}
}

func badCursor(app string) operation {
	return func(ctx context.Context, s store.Store) string {
		_, err := s.PageOfApp(ctx, app, forever, 1, "bad").Next(ctx)
		return fmt.Sprint(errors.Is(err, store.ErrCursor), errors.Is(err, store.ErrUnavailable))
	}
}

func kill(app, token string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.Kill(ctx, app, token)) }
}

func killID(app, id, except string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.KillID(ctx, app, id, except)) }
}

func rotate(app, token, fresh string, grace int64) operation {
	return func(ctx context.Context, s store.Store) string {
		now, details, err := s.Rotate(ctx, app, token, fresh, grace)
		return said(fmt.Sprintf("%s %+v", now, details), err)
	}
}

func killApp(app string) operation {
	return func(ctx context.Context, s store.Store) string { return said(s.KillApp(ctx, app)) }
}

func wipe(ctx context.Context, s store.Store) string { return said(s.Wipe(ctx)) }

func ping(ctx context.Context, s store.Store) string { return said("ok", s.Ping(ctx)) }

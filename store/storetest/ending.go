package storetest

import (
	"context"
	"errors"
	"time"

	"rest-sessions/store"
)

// A caller whose time is over hears that nothing is known, never that there is
// no such session.
func testEndedContext(s *suite) {
	canceled, cancel := context.WithCancel(s.ctx)
	cancel()
	late, cancel := context.WithDeadline(s.ctx, time.Unix(0, 0))
	defer cancel()

	for i := range 450 {
		s.create("app", store.New{ID: []string{"u", "v"}[i%2]})
	}
	token := s.create("app", store.New{ID: "u"})
	moving := s.create("app", store.New{ID: "w"})
	for _, ended := range []context.Context{canceled, late} {
		for name, call := range map[string]func(context.Context) error{
			"Create": func(ctx context.Context) error {
				_, err := s.store.Create(ctx, "other", store.NewToken("u"), store.New{ID: "u", IP: "::1", TTL: 10})
				return err
			},
			"Get": func(ctx context.Context) error {
				_, err := s.store.Get(ctx, "app", token)
				return err
			},
			"Get of none": func(ctx context.Context) error {
				_, err := s.store.Get(ctx, "app", store.NewToken("u"))
				return err
			},
			"Set": func(ctx context.Context) error {
				_, err := s.store.Set(ctx, "app", token, data(`"a"`, `1`))
				return err
			},
			"Set of none": func(ctx context.Context) error {
				_, err := s.store.Set(ctx, "app", store.NewToken("u"), data(`"a"`, `1`))
				return err
			},
			"GetWith": func(ctx context.Context) error {
				_, err := s.store.GetWith(ctx, "app", token)
				return err
			},
			"Peek": func(ctx context.Context) error {
				_, err := s.store.Peek(ctx, "app", token)
				return err
			},
			"Peek of none": func(ctx context.Context) error {
				_, err := s.store.Peek(ctx, "app", store.NewToken("u"))
				return err
			},
			"Touch": func(ctx context.Context) error {
				_, err := s.store.Touch(ctx, "app", token, 0, 0)
				return err
			},
			"Touch of none": func(ctx context.Context) error {
				_, err := s.store.Touch(ctx, "app", store.NewToken("u"), 10, 10)
				return err
			},
			"SetIf": func(ctx context.Context) error {
				_, err := s.store.SetIf(ctx, "app", token, 1000, data(`"a"`, `1`))
				return err
			},
			"SetIf of none": func(ctx context.Context) error {
				_, err := s.store.SetIf(ctx, "app", store.NewToken("u"), 1, data(`"a"`, `1`))
				return err
			},
			"Activity": func(ctx context.Context) error {
				_, err := s.store.Activity(ctx, "app", forever)
				return err
			},
			"SessionsOfApp": func(ctx context.Context) error {
				_, err := s.store.SessionsOfApp(s.ctx, "app", forever).Next(ctx)
				return err
			},
			"SessionsOfID": func(ctx context.Context) error {
				_, err := s.store.SessionsOfID(s.ctx, "app", "u").Next(ctx)
				return err
			},
			"SessionsOfApp of none": func(ctx context.Context) error {
				_, err := s.store.SessionsOfApp(s.ctx, "none", forever).Next(ctx)
				return err
			},
			"SessionsOfID of none": func(ctx context.Context) error {
				_, err := s.store.SessionsOfID(s.ctx, "none", "u").Next(ctx)
				return err
			},
			"SessionsOfApp, later chunk": func(ctx context.Context) error {
				return secondChunk(s, s.store.SessionsOfApp(s.ctx, "app", forever), ctx)
			},
			"SessionsOfID, later chunk": func(ctx context.Context) error {
				return secondChunk(s, s.store.SessionsOfID(s.ctx, "app", "u"), ctx)
			},
			"PageOfApp": func(ctx context.Context) error {
				_, err := s.store.PageOfApp(ctx, "app", forever, 10, "").Next(ctx)
				return err
			},
			"PageOfID of none": func(ctx context.Context) error {
				_, err := s.store.PageOfID(ctx, "none", "u", 10, "").Next(ctx)
				return err
			},
			"PageOfID, later chunk": func(ctx context.Context) error {
				return secondChunk(s, s.store.PageOfID(s.ctx, "app", "u", 1000, ""), ctx)
			},
			"Kill": func(ctx context.Context) error {
				_, err := s.store.Kill(ctx, "none", token)
				return err
			},
			"KillID": func(ctx context.Context) error {
				_, err := s.store.KillID(ctx, "none", "u", "")
				return err
			},
			"KillHandle": func(ctx context.Context) error {
				_, err := s.store.KillHandle(ctx, "app", "w", store.Handle(token))
				return err
			},
			"Move of none": func(ctx context.Context) error {
				_, err := s.store.Move(ctx, "none", token, store.NewToken("v"), store.Move{ID: "v", MaxSessions: 1})
				return err
			},
			"Move": func(ctx context.Context) error {
				fresh := store.NewToken("w")
				if _, err := s.store.Move(ctx, "app", moving, fresh, store.Move{ID: "w"}); err != nil {
					return err
				}
				moving = fresh
				return nil
			},
			"Rotate": func(ctx context.Context) error {
				_, _, err := s.store.Rotate(ctx, "none", token, store.NewTokenLike(token), 10)
				return err
			},
			"Create with a limit": func(ctx context.Context) error {
				n := store.New{ID: "u", IP: "::1", TTL: 10, MaxSessions: 1}
				_, err := s.store.Create(ctx, "other", store.NewToken("u"), n)
				return err
			},
			"KillApp": func(ctx context.Context) error {
				_, err := s.store.KillApp(ctx, "none")
				return err
			},
			"Wipe": func(ctx context.Context) error {
				_, err := s.store.Wipe(ctx)
				return err
			},
			"Ping": s.store.Ping,
		} {
			err := call(ended)
			if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
				s.Errorf("%s with an ended context: %v, want ErrUnavailable", name, err)
			}
			if err := call(s.ctx); errors.Is(err, store.ErrUnavailable) {
				s.Errorf("%s afterwards: %v", name, err)
			}
		}
	}
}

// secondChunk reads one chunk and returns the error of asking for the next.
func secondChunk(s *suite, list store.List, ctx context.Context) error {
	if _, err := list.Next(s.ctx); err != nil {
		s.Fatal(err)
	}
	_, err := list.Next(ctx)
	return err
}

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
	for _, ended := range []context.Context{canceled, late} {
		for name, call := range map[string]func(context.Context) error{
			"Create": func(ctx context.Context) error {
				return s.store.Create(ctx, "other", store.NewToken("u"), store.New{ID: "u", IP: "::1", TTL: 10})
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
			"SessionsOfApp, later page": func(ctx context.Context) error {
				return secondPage(s, s.store.SessionsOfApp(s.ctx, "app", forever), ctx)
			},
			"SessionsOfID, later page": func(ctx context.Context) error {
				return secondPage(s, s.store.SessionsOfID(s.ctx, "app", "u"), ctx)
			},
			"PartOfApp": func(ctx context.Context) error {
				_, err := s.store.PartOfApp(ctx, "app", forever, 10, "").Next(ctx)
				return err
			},
			"PartOfID of none": func(ctx context.Context) error {
				_, err := s.store.PartOfID(ctx, "none", "u", 10, "").Next(ctx)
				return err
			},
			"PartOfID, later page": func(ctx context.Context) error {
				return secondPage(s, s.store.PartOfID(s.ctx, "app", "u", 1000, ""), ctx)
			},
			"Kill": func(ctx context.Context) error {
				_, err := s.store.Kill(ctx, "none", token)
				return err
			},
			"KillID": func(ctx context.Context) error {
				_, err := s.store.KillID(ctx, "none", "u", "")
				return err
			},
			"Rotate": func(ctx context.Context) error {
				_, err := s.store.Rotate(ctx, "none", token, store.NewTokenLike(token), 10)
				return err
			},
			"Create with a limit": func(ctx context.Context) error {
				n := store.New{ID: "u", IP: "::1", TTL: 10, MaxSessions: 1}
				return s.store.Create(ctx, "other", store.NewToken("u"), n)
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

// secondPage reads one page and returns the error of asking for the next.
func secondPage(s *suite, pages store.Pages, ctx context.Context) error {
	if _, err := pages.Next(s.ctx); err != nil {
		s.Fatal(err)
	}
	_, err := pages.Next(ctx)
	return err
}

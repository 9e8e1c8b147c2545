package storetest

import (
	"errors"

	"rest-sessions/store"
)

// finder is a method and whether it finds a session.
type finder struct {
	name  string
	finds func(app, token, id string) bool
}

// finders are the methods for which a session that is over is not there.
func (s *suite) finders() []finder {
	found := func(_ store.Session, err error) bool {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.Fatal(err)
		}
		return err == nil
	}
	return []finder{
		{"Get", func(app, token, _ string) bool { return found(s.store.Get(s.ctx, app, token)) }},
		{"Set", func(app, token, _ string) bool {
			return found(s.store.Set(s.ctx, app, token, data(`"x"`, `1`)))
		}},
		{"Rotate", func(app, token, _ string) bool {
			_, _, err := s.store.Rotate(s.ctx, app, token, store.NewTokenLike(token), 0)
			return found(store.Session{}, err)
		}},
		{"GetWith", func(app, token, _ string) bool { return found(s.store.GetWith(s.ctx, app, token)) }},
		{"Peek", func(app, token, _ string) bool { return found(s.store.Peek(s.ctx, app, token)) }},
		{"Touch", func(app, token, _ string) bool { return found(s.store.Touch(s.ctx, app, token, 0, 0)) }},
		{"Touch-all", func(app, token, _ string) bool { return found(s.store.Touch(s.ctx, app, token, 100, 100)) }},
		{"SetIf", func(app, token, _ string) bool {
			return found(s.store.SetIf(s.ctx, app, token, 1, data(`"x"`, `1`)))
		}},
		{"SetIf-other", func(app, token, _ string) bool {
			got, err := s.store.SetIf(s.ctx, app, token, 2, data(`"x"`, `1`))
			if errors.Is(err, store.ErrConflict) {
				err = nil
			}
			return found(got, err)
		}},
		{"Move", func(app, token, _ string) bool {
			_, err := s.store.Move(s.ctx, app, token, store.NewToken("v"), store.Move{ID: "v"})
			return found(store.Session{}, err)
		}},
		{"KillHandle", func(app, token, id string) bool {
			killed, err := s.store.KillHandle(s.ctx, app, id, store.Handle(token))
			if err != nil {
				s.Fatal(err)
			}
			return killed
		}},
		{"Kill", func(app, token, _ string) bool { return s.kill(app, token) }},
		{"SessionsOfID", func(app, _, id string) bool { return len(s.ofID(app, id)) > 0 }},
		{"SessionsOfApp", func(app, _, _ string) bool { return len(s.ofApp(app, forever)) > 0 }},
		{"KillID", func(app, _, id string) bool {
			n, err := s.store.KillID(s.ctx, app, id, "")
			if err != nil {
				s.Fatal(err)
			}
			return n > 0
		}},
	}
}

// A session is there for every method until it has been idle for ttl seconds,
// that second included.
func testExpiryBoundary(s *suite) {
	for _, ttl := range []int64{10, 19, 20, 600, 7200} {
		for _, m := range s.finders() {
			app := "app-" + m.name
			for _, noResave := range []bool{false, true} {
				n := store.New{ID: "u", TTL: ttl, NoResave: noResave}
				token := s.create(app, n)
				s.clock.Advance(ttl)
				if !m.finds(app, token, "u") {
					s.Errorf("%s finds no session after its ttl of %d s, no resave %v", m.name, ttl, noResave)
				}
				s.store.KillApp(s.ctx, app)

				token = s.create(app, n)
				s.clock.Advance(ttl + 1)
				if m.finds(app, token, "u") {
					s.Errorf("%s finds a session 1 s past its ttl of %d s, no resave %v", m.name, ttl, noResave)
				}
				s.store.KillApp(s.ctx, app)
			}
		}
	}
}

// Reads and writes in the same second as the last activity move nothing, later
// ones do.
func testExpiryFollowsActivity(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 10})
	for i := range 20 {
		s.clock.Advance(10)
		if i%2 == 0 {
			s.get("app", token)
		} else {
			s.set("app", token, data(`"i"`, `1`))
		}
		s.get("app", token)
	}
	s.clock.Advance(11)
	s.gone("app", token)
}

// Asking for a session that is over counts as nobody's activity.
func testOverIsNoActivity(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 10})
	s.clock.Advance(11)
	s.gone("app", token)
	s.wantIDs(s.ofID("app", "u"))
	s.wantActivity("app", 10, 0)
	s.clock.Advance(-1) // and changed nothing in the session itself
	s.want(s.get("app", token), store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 10, Idle: 10})
}

func testKillAppCountsUnwiped(s *suite) {
	for i := range 5 {
		s.create("app", store.New{ID: "u", TTL: 10 + 100*int64(i%2)})
	}
	s.clock.Advance(50)
	s.wantKillApp("app", 5)
	s.wantKillApp("app", 0)
	s.wantWipe(0)

	for i := range 5 {
		s.create("app", store.New{ID: "u", TTL: 10 + 100*int64(i%2)})
	}
	s.clock.Advance(50)
	s.wantWipe(3)
	s.wantKillApp("app", 2)
}

// Kill leaves a session that is over to the wiper; KillID takes it along without
// counting it.
func testKillLeavesUnwiped(s *suite) {
	token := s.create("app", store.New{ID: "one", TTL: 10})
	s.create("app", store.New{ID: "two", TTL: 10})
	s.create("app", store.New{ID: "two", TTL: 100})
	s.clock.Advance(50)
	if s.kill("app", token) {
		s.Error("Kill found a session that is over")
	}
	s.wantKillID("app", "two", 1)
	s.wantActivity("app", forever, 1)
	s.wantWipe(1)
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
}

package storetest

import "rest-sessions/store"

// A session with a max age is there for every method until so many seconds after
// its creation, that second included, whatever else it is.
func testMaxAgeBoundary(s *suite) {
	for _, n := range []store.New{
		{TTL: 7200, MaxAge: 10},
		{TTL: 600, MaxAge: 600},
		{TTL: 601, MaxAge: 600, NoResave: true},
		{TTL: store.MaxTTL, MaxAge: 61, NoResave: true},
	} {
		n.ID = "u"
		for _, m := range s.finders() {
			app := "app-" + m.name
			token := s.create(app, n)
			s.clock.Advance(n.MaxAge)
			if !m.finds(app, token, "u") {
				s.Errorf("%s finds no session in the last second of %+v", m.name, n)
			}
			s.store.KillApp(s.ctx, app)

			token = s.create(app, n)
			s.clock.Advance(n.MaxAge + 1)
			if m.finds(app, token, "u") {
				s.Errorf("%s finds a session 1 s after the end of %+v", m.name, n)
			}
			left := int64(1)
			if m.name == "KillID" {
				left = 0 // it takes along what is over
			}
			s.wantActivity(app, forever, left)
			s.wantKillApp(app, left)
		}
	}
}

// No activity puts the end off, and none shows it: the answers are those of a
// session without it.
func testMaxAgeIgnoresActivity(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 60, MaxAge: 200})
	limited := s.create("app", store.New{ID: "v", TTL: 1000, MaxAge: 200, NoResave: true})
	want := store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 60}
	left := int64(1000)
	for i := range int64(4) {
		s.want(s.get("app", token), want)
		if got := s.get("app", limited); got.TTL != left {
			s.Errorf("step %d: %d s left without resave, want %d", i, got.TTL, left)
		}
		s.set("app", token, data(`"i"`, `1`))
		want.R, want.W, want.D = want.R+1, want.W+1, `{"i":1}`
		s.clock.Advance(50)
		want.Idle = 50
		left -= 50
	}
	s.want(s.get("app", token), want)
	s.get("app", limited)
	s.clock.Advance(1)
	s.gone("app", token)
	s.gone("app", limited)
	s.wantIDs(s.ofApp("app", forever))
	s.wantActivity("app", 10, 2)
}

// Without activity the ttl ends it, long before a max age that is longer.
func testMaxAgeKeepsTTL(s *suite) {
	for _, noResave := range []bool{false, true} {
		token := s.create("app", store.New{ID: "u", TTL: 10, MaxAge: store.MaxTTL, NoResave: noResave})
		at := store.WipeAt(s.clock.Now(), 10, noResave, 0)
		s.clock.Advance(10)
		s.wantIDs(s.ofID("app", "u"), "u")
		s.clock.Advance(1)
		s.gone("app", token)
		s.clock.Set(at)
		s.wantWipe(1)
	}
}

// It is wiped in the second after its end, touched or not, and nobody else is.
func testMaxAgeWipe(s *suite) {
	for _, ttl := range []int64{10, 100, 600, 7200} {
		for _, noResave := range []bool{false, true} {
			for _, wait := range []int64{0, 3, 9, 10} {
				s.clock.Advance(7)
				token := s.create("app", store.New{ID: "u", TTL: ttl, MaxAge: 10, NoResave: noResave})
				s.create("app", store.New{ID: "u", TTL: 14})
				s.create("app", store.New{ID: "other", TTL: 14})
				s.clock.Advance(wait)
				s.get("app", token)
				s.clock.Advance(10 - wait)
				s.wantWipe(0)
				s.wantIDs(s.ofID("app", "u"), "u", "u")
				s.clock.Advance(1)
				s.wantWipe(1)
				s.wantWipe(0)
				s.wantActivity("app", forever, 2)
				s.wantIDs(s.ofID("app", "u"), "u")
				s.wantKillApp("app", 2)
			}
		}
	}
}

// A clock that is set back moves no end.
func testMaxAgeClockGoesBack(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 1000, MaxAge: 60})
	s.clock.Advance(50)
	s.get("app", token)
	s.clock.Advance(-500)
	s.get("app", token)
	s.set("app", token, data(`"a"`, `1`))
	s.wantWipe(0)
	s.clock.Advance(510)
	s.get("app", token)
	s.clock.Advance(1)
	s.gone("app", token)
	s.wantWipe(1)
}

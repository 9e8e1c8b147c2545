package storetest

import "rest-sessions/store"

func testActivityCountsUsers(s *suite) {
	s.wantActivity("app", 10, 0)
	var tokens []string
	for _, id := range []string{"a", "b", "a", "c", "a:b", "b"} {
		tokens = append(tokens, s.create("app", store.New{ID: id}))
	}
	s.create("other", store.New{ID: "z"})
	s.wantActivity("app", 10, 4)
	s.clock.Advance(11)
	s.wantActivity("app", 10, 0)
	s.get("app", tokens[0])
	s.get("app", tokens[2]) // the same user
	s.wantActivity("app", 10, 1)
	s.set("app", tokens[4], data(`"x"`, `1`))
	s.wantActivity("app", 10, 2)
	s.wantActivity("app", 11, 4)
	s.wantActivity("other", 10, 0)
}

func testActivityBoundary(s *suite) {
	token := s.create("app", store.New{ID: "u"})
	for _, dt := range []int64{10, 59, 60, 61, 600} {
		s.get("app", token)
		s.clock.Advance(dt)
		s.wantActivity("app", dt, 1)
		s.wantActivity("app", dt-1, 0)
		s.clock.Advance(1)
		s.wantActivity("app", dt, 0)
		s.wantActivity("app", dt+1, 1)
	}
}

// It is users who were active, so one whose sessions are over counts, too, as
// long as they are not wiped.
func testActivityUntilWiped(s *suite) {
	s.create("app", store.New{ID: "short", TTL: 100})
	s.create("app", store.New{ID: "long", TTL: 1000})
	at := store.WipeAt(s.clock.Now(), 100, false, 0)
	s.clock.Advance(101)
	s.wantWipe(0)
	s.wantActivity("app", 101, 2)
	s.clock.Set(at)
	s.wantActivity("app", forever, 2)
	s.wantWipe(1)
	s.wantActivity("app", forever, 1)
}

// A clock that is set back moves no user's last activity back, neither by a new session
// nor by a read of one that was idle for longer.
func testActivityClockBack(s *suite) {
	idle := s.create("app", store.New{ID: "u"})
	s.clock.Advance(100)
	s.create("app", store.New{ID: "u"})
	s.clock.Advance(-30)
	s.create("app", store.New{ID: "u"})
	s.get("app", idle)
	s.set("app", idle, data(`"x"`, `1`))
	s.clock.Advance(35)
	s.wantActivity("app", 10, 1)
	s.wantActivity("app", 4, 0)
}

// A user stays, at the last activity, while any session is left, and goes with
// the last one.
func testActivityAfterKill(s *suite) {
	first := s.create("app", store.New{ID: "u"})
	s.clock.Advance(100)
	second := s.create("app", store.New{ID: "u"})
	s.create("app", store.New{ID: "other"})
	s.kill("app", second)
	s.wantActivity("app", 10, 2)
	s.clock.Advance(10)
	s.wantActivity("app", 10, 2)
	s.wantActivity("app", 9, 0)
	s.kill("app", first)
	s.wantActivity("app", forever, 1)
	s.wantKillID("app", "other", 1)
	s.wantActivity("app", forever, 0)
	s.create("app", store.New{ID: "u"})
	s.wantActivity("app", 10, 1)
	s.wantKillApp("app", 1)
	s.wantActivity("app", forever, 0)
}

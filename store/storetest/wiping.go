package storetest

import (
	"fmt"

	"rest-sessions/store"
)

// A session is wiped from store.WipeAt on, and not before.
func testWipeAt(s *suite) {
	for _, noResave := range []bool{false, true} {
		for _, ttl := range []int64{10, 19, 20, 100, 599, 600, 7200, 86400} {
			for offset := range int64(5) {
				s.clock.Set((s.clock.Now()/60+2)*60 + offset*offset*3)
				s.create("app", store.New{ID: "u", TTL: ttl, NoResave: noResave})
				at := store.WipeAt(s.clock.Now(), ttl, noResave, 0)
				s.clock.Set(at - 1)
				s.wantWipe(0)
				s.clock.Set(at)
				s.wantActivity("app", forever, 1)
				s.wantWipe(1)
				s.wantWipe(0)
				s.wantActivity("app", forever, 0)
				s.wantKillApp("app", 0)
			}
		}
	}
}

// A touch puts the wiping off, by the window's length at least when it is in a
// later window.
func testWipeSparesTouched(s *suite) {
	for _, ttl := range []int64{10, 100, 600, 7200} {
		s.clock.Set((s.clock.Now()/60 + 2) * 60)
		window := store.Window(ttl, false)
		token := s.create("app", store.New{ID: "u", TTL: ttl})
		var touched int64
		// Twice in the first window, then now and then, last at the end of one.
		for _, wait := range []int64{0, window - 1, 1, ttl / 2, ttl, window, window - 1} {
			s.clock.Advance(wait)
			s.wantWipe(0)
			s.get("app", token)
			touched = s.clock.Now()
		}
		at := store.WipeAt(touched, ttl, false, 0)
		s.clock.Set(touched + ttl)
		s.wantWipe(0)
		s.wantIDs(s.ofID("app", "u"), "u")
		s.clock.Set(at - 1)
		s.wantWipe(0)
		s.clock.Set(at)
		s.wantWipe(1)
	}
}

// Several steps that are due, among as many that are not, in several apps.
func testWipeMany(s *suite) {
	var live, over, touched []string
	app := func(i int) string { return fmt.Sprint("app", i%3) }
	for i := range 300 {
		over = append(over, s.create(app(i), store.New{ID: fmt.Sprint("over", i), TTL: 100}))
		live = append(live, s.create(app(i), store.New{ID: fmt.Sprint("live", i), TTL: 1000}))
		touched = append(touched, s.create(app(i), store.New{ID: fmt.Sprint("touched", i), TTL: 100}))
	}
	s.clock.Advance(90)
	for i, token := range touched {
		s.get(app(i), token)
	}
	s.clock.Advance(90)
	s.wantWipe(300)
	s.wantWipe(0)
	for i := range over {
		s.gone(app(i), over[i])
		if got := s.get(app(i), live[i]); got.Idle != 180 {
			s.Errorf("session %d: %+v", i, got)
		}
		if got := s.get(app(i), touched[i]); got.Idle != 90 || got.R != 2 {
			s.Errorf("touched session %d: %+v", i, got)
		}
	}
	for i := range 3 {
		s.wantActivity(app(i), forever, 200)
	}
	s.clock.Advance(120)
	s.wantWipe(300)
	s.wantKillApp("app0", 100)
	s.clock.Advance(2000)
	s.wantWipe(200)
}

func testWipeKeepsUserWithOthers(s *suite) {
	long := s.create("app", store.New{ID: "u", TTL: 1000})
	s.clock.Advance(100)
	s.create("app", store.New{ID: "u", TTL: 10})
	s.create("app", store.New{ID: "gone", TTL: 10})
	s.clock.Advance(20)
	s.wantActivity("app", 20, 2)
	s.wantWipe(2)
	s.wantActivity("app", 20, 1) // the activity was that of the session now wiped
	s.wantActivity("app", 19, 0)
	s.wantIDs(s.ofID("app", "u"), "u")
	if got := s.get("app", long); got.Idle != 120 {
		s.Errorf("the user's other session: %+v", got)
	}
}

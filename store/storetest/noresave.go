package storetest

import "rest-sessions/store"

// A session that is not saved again ends ttl seconds after its creation, and
// answers how many are left.
func testNoResave(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 100, NoResave: true})
	want := store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 100, NoResave: true}
	s.want(s.get("app", token), want)
	s.clock.Advance(7)
	want.R, want.TTL, want.Idle = 2, 93, 7
	s.want(s.get("app", token), want)
	s.clock.Advance(40)
	want.R, want.W, want.TTL, want.Idle, want.D = 3, 2, 53, 40, `{"a":1}`
	s.want(s.set("app", token, data(`"a"`, `1`)), want)
	s.clock.Advance(3)
	want.TTL, want.Idle = 50, 3
	s.wantActivity("app", 10, 1)
	for _, list := range [][]store.Session{s.ofID("app", "u"), s.ofApp("app", 10)} {
		if len(list) != 1 {
			s.Fatalf("listed %d sessions, want 1", len(list))
		}
		s.want(list[0], want)
	}
	s.clock.Advance(50)
	want.TTL, want.Idle = 0, 53
	s.want(s.get("app", token), want)
	s.clock.Advance(1)
	s.gone("app", token)
	s.wantActivity("app", 10, 1) // the read in its last second
}

// In its last second a session may be read and written any number of times.
func testNoResaveLastSecond(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 10, NoResave: true})
	s.clock.Advance(10)
	for i := range 3 {
		idle := int64(10)
		if i > 0 {
			idle = 0
		}
		if got := s.get("app", token); got.TTL != 0 || got.Idle != idle || got.R != int64(1+i) {
			s.Errorf("read %d: %+v", i, got)
		}
		if got := s.set("app", token, data(`"a"`, `1`)); got.TTL != 0 || got.Idle != 0 {
			s.Errorf("write %d: %+v", i, got)
		}
	}
	s.clock.Advance(1)
	s.gone("app", token)
	if n := len(s.ofID("app", "u")) + len(s.ofApp("app", forever)); n != 0 {
		s.Errorf("%d listed", n)
	}
}

// However often it is touched, the seconds are taken off once. (redis-sessions
// takes them off twice when two reads find the same idle second.)
func testNoResaveDoesNotDrift(s *suite) {
	const ttl = 120
	often := s.create("app", store.New{ID: "often", TTL: ttl, NoResave: true})
	each := s.create("app", store.New{ID: "each", TTL: ttl, NoResave: true})
	once := s.create("app", store.New{ID: "once", TTL: ttl, NoResave: true})
	for second := int64(0); second < ttl; second++ {
		s.get("app", each)
		for range 3 {
			got := s.get("app", often)
			if got.TTL != ttl-second {
				s.Fatalf("second %d: %d s left, want %d", second, got.TTL, ttl-second)
			}
			if got = s.set("app", often, data(`"a"`, `1`)); got.TTL != ttl-second {
				s.Fatalf("second %d: %d s left after a write, want %d", second, got.TTL, ttl-second)
			}
		}
		s.clock.Advance(1)
	}
	for _, token := range []string{often, each, once} {
		if got := s.get("app", token); got.TTL != 0 || !got.NoResave {
			s.Errorf("at the end: %+v", got)
		}
	}
	s.clock.Advance(1)
	for _, token := range []string{often, each, once} {
		s.gone("app", token)
	}
}

func testNoResaveWipe(s *suite) {
	s.create("app", store.New{ID: "idle", TTL: 600, NoResave: true})
	token := s.create("app", store.New{ID: "touched", TTL: 600, NoResave: true})
	for range 10 {
		s.clock.Advance(60)
		s.get("app", token)
		s.wantWipe(0)
	}
	s.clock.Advance(1)
	s.wantActivity("app", forever, 2)
	s.wantWipe(2)
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
}

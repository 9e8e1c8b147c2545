package storetest

import "rest-sessions/store"

func testPing(s *suite) {
	if err := s.store.Ping(s.ctx); err != nil {
		s.Error(err)
	}
}

// The counters answered are those before the read.
func testCounters(s *suite) {
	token := s.create("app", store.New{ID: "u", IP: "1.2.3.4", TTL: 300})
	want := store.Session{ID: "u", IP: "1.2.3.4", R: 1, W: 1, TTL: 300}
	for range 3 {
		s.want(s.get("app", token), want)
		want.R++
	}
	s.set("app", token, data(`"a"`, `1`))
	want.W, want.D = 2, `{"a":1}`
	s.want(s.get("app", token), want)
}

func testFirstData(s *suite) {
	for _, c := range []struct {
		d    store.Data
		want string
	}{
		{nil, ``},
		{data(`"a"`, `null`), ``},
		{data(`"a"`, `1`, `"b"`, `null`, `"c"`, `"x"`), `{"a":1,"c":"x"}`},
		{data(`""`, `""`), `{"":""}`},
	} {
		token := s.create("app", store.New{ID: "u", Data: c.d})
		if got := s.get("app", token); got.D != c.want || got.W != 1 {
			s.Errorf("created with %q: d %q, w %d, want %q, 1", c.d, got.D, got.W, c.want)
		}
	}
}

func testMissing(s *suite) {
	s.gone("app", store.NewToken("u"))
	token := s.create("app", store.New{ID: "u"})
	s.gone("other", token)
	s.gone("app", token[1:]+"0")
	s.gone("app", store.NewToken("u"))
	s.wantActivity("other", forever, 0)
	s.wantKillID("other", "u", 0)
	s.wantKillApp("other", 0)
	if got := s.get("app", token); got.R != 1 || got.W != 1 {
		s.Errorf("others' calls counted: %+v", got)
	}
}

// The last activity moves with each second: idle is what has passed since.
func testIdle(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 600})
	for i, seconds := range []int64{0, 0, 1, 0, 1, 2, 59, 60, 61, 1, 599, 600, 0, 3} {
		s.clock.Advance(seconds)
		var got store.Session
		if i%3 == 1 {
			got = s.set("app", token, data(`"a"`, `1`))
		} else {
			got = s.get("app", token)
		}
		if got.Idle != seconds || got.TTL != 600 {
			s.Errorf("step %d: idle %d, ttl %d, want %d, 600", i, got.Idle, got.TTL, seconds)
		}
	}
}

// 15 digits are more than an engine may round or print with an exponent.
func testLongestTTL(s *suite) {
	want := store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: store.MaxTTL}
	token := s.create("app", store.New{ID: "u", TTL: store.MaxTTL})
	limited := s.create("app", store.New{ID: "u", TTL: store.MaxTTL, NoResave: true})
	s.want(s.get("app", token), want)
	s.clock.Advance(1_000_000_000)
	s.wantWipe(0)
	want.R, want.Idle = 2, 1_000_000_000
	s.want(s.get("app", token), want)
	want.R, want.TTL, want.NoResave = 1, store.MaxTTL-1_000_000_000, true
	s.want(s.get("app", limited), want)
	want.R, want.Idle = 2, 0
	s.want(s.get("app", limited), want)
}

// Hosts' clocks are set back; nobody has been idle for less than no time, and
// nothing ends by it.
func testClockGoesBack(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 10})
	limited := s.create("app", store.New{ID: "u", TTL: 10, NoResave: true})
	s.clock.Advance(-3600)
	for range 2 {
		if got := s.get("app", token); got.Idle != 0 || got.TTL != 10 {
			s.Errorf("idle %d, ttl %d, want 0, 10", got.Idle, got.TTL)
		}
		if got := s.get("app", limited); got.Idle != 0 || got.TTL != 10 {
			s.Errorf("no resave: idle %d, ttl %d, want 0, 10", got.Idle, got.TTL)
		}
	}
	s.wantWipe(0)
	s.wantActivity("app", 10, 1)
	for _, list := range [][]store.Session{s.ofApp("app", 10), s.ofID("app", "u")} {
		s.wantIDs(list, "u", "u")
		for _, got := range list {
			if got.Idle != 0 {
				s.Errorf("listed with idle %d", got.Idle)
			}
		}
	}
	s.clock.Advance(3600 + 10)
	if got := s.get("app", token); got.Idle != 10 {
		s.Errorf("idle %d after the clock was put right, want 10", got.Idle)
	}
	s.clock.Advance(1)
	s.gone("app", limited)
}

package storetest

import (
	"fmt"

	"rest-sessions/store"
)

func testKill(s *suite) {
	token := s.create("app", store.New{ID: "u", Data: data(`"a"`, `1`)})
	other := s.create("app", store.New{ID: "u"})
	if s.kill("none", token) {
		s.Error("Kill ended another app's session")
	}
	if !s.kill("app", token) {
		s.Error("Kill found no session")
	}
	s.gone("app", token)
	if n := len(s.ofID("app", "u")); n != 1 {
		s.Errorf("%d sessions left of the user, want 1", n)
	}
	if got := s.get("app", other); got.R != 1 {
		s.Errorf("the user's other session: %+v", got)
	}
	s.wantKillApp("app", 1)
	s.gone("app", other)
	s.clock.Advance(forever)
	s.wantWipe(0) // nothing of them is left
}

func testKillIDOfMany(s *suite) {
	var tokens, others []string
	for i := range 700 {
		n := store.New{ID: "u", TTL: 1000}
		if i%7 == 0 {
			n.TTL = 10
		}
		tokens = append(tokens, s.create("app", n))
		if i%100 == 0 {
			others = append(others, s.create("app", store.New{ID: fmt.Sprint("u", i)}))
		}
	}
	elsewhere := s.create("other", store.New{ID: "u"})
	s.clock.Advance(11)
	s.wantKillID("app", "u", 600)
	s.wantKillID("app", "u", 0)
	for _, token := range tokens {
		s.gone("app", token)
	}
	s.wantIDs(s.ofID("app", "u"))
	for _, token := range others {
		s.get("app", token)
	}
	s.get("other", elsewhere)
	s.wantActivity("app", 10, 7)
	s.wantActivity("app", forever, 7)
	s.wantActivity("other", forever, 1)
	if n := len(s.ofApp("app", forever)); n != 7 {
		s.Errorf("%d sessions left in the app, want 7", n)
	}
	s.wantKillApp("app", 7)
}

func testKillAppOfMany(s *suite) {
	sessions := s.fill("app", 500)
	for i := range 150 {
		id := fmt.Sprintf("user:%d", i)
		sessions = append(sessions, listed{token: s.create("app", store.New{ID: id})})
	}
	for i := 0; i < len(sessions); i += 3 {
		s.get("app", sessions[i].token)
	}
	for _, app := range []string{"app2", "ap-", "App", "apps"} {
		s.create(app, store.New{ID: "user:1"})
	}
	s.wantKillApp("app", 650)
	for _, l := range sessions {
		s.gone("app", l.token)
	}
	s.wantIDs(s.ofApp("app", forever))
	s.wantIDs(s.ofID("app", "user:1"))
	s.wantActivity("app", forever, 0)
	for _, app := range []string{"app2", "ap-", "App", "apps"} {
		s.wantActivity(app, forever, 1)
		s.wantIDs(s.ofID(app, "user:1"), "user:1")
		s.wantKillApp(app, 1)
	}
	s.clock.Advance(forever)
	s.wantWipe(0)
}

// All but one end; that one stays as it is, whatever token it is named by.
func testKillOthers(s *suite) {
	kept := s.create("app", store.New{ID: "u", TTL: 1000})
	elsewhere := s.create("other", store.New{ID: "u"})
	stranger := s.create("app", store.New{ID: "u:"})
	var others []string
	for i := range 300 {
		ttl := int64(1000)
		if i%10 == 0 {
			ttl = 10
		}
		others = append(others, s.create("app", store.New{ID: "u", TTL: ttl}))
	}
	s.clock.Advance(11)
	s.wantKillOthers("app", "u", kept, 270)
	s.wantKillOthers("app", "u", kept, 0)
	for _, token := range others {
		s.gone("app", token)
	}
	if got := s.get("app", kept); got.R != 1 || got.Idle != 11 {
		s.Errorf("the one that stays: %+v", got)
	}
	s.get("other", elsewhere)

	old := kept
	kept = s.rotate("app", old, 60)
	for range 100 {
		s.create("app", store.New{ID: "u"})
	}
	s.wantKillOthers("app", "u", old, 100)
	s.get("app", old)
	s.clock.Advance(61)
	s.create("app", store.New{ID: "u"})
	s.wantKillOthers("app", "u", old, 2) // its grace is over: it names nobody
	s.gone("app", kept)

	for _, except := range []string{kept, elsewhere, stranger, store.NewToken("u")} {
		s.create("app", store.New{ID: "u"})
		s.wantKillOthers("app", "u", except, 1)
	}
	// However many there are: a step, or one more or less, or two.
	for _, n := range []int{31, 32, 33, 63, 64, 65, 99, 100, 101} {
		for range n {
			s.create("app", store.New{ID: "u"})
		}
		s.wantKillOthers("app", "u", stranger, int64(n))
	}
	s.get("app", stranger)
	s.wantKillOthers("none", "u", stranger, 0)
	s.wantKillApp("app", 1)
	s.wantActivity("app", forever, 0)

	// One that is over is not counted, and is left to the wiper if it is the one.
	over := s.create("app", store.New{ID: "u", TTL: 10})
	s.clock.Advance(11)
	s.create("app", store.New{ID: "u"})
	s.wantKillOthers("app", "u", over, 1)
	s.wantWipe(1)
}

package storetest

import (
	"slices"
	"sync"

	"rest-sessions/store"
)

// member is a session whose ip tells it apart in lists.
type member struct{ token, ip string }

func (s *suite) join(app string, n store.New) member {
	s.Helper()
	token := store.NewToken(n.ID)
	n.IP = token[:store.MaxIPLen]
	s.createAs(app, token, n)
	return member{token, n.IP}
}

// wantMembers checks which sessions a user has.
func (s *suite) wantMembers(app, id string, want ...member) {
	s.Helper()
	var got, ips []string
	for _, session := range s.ofID(app, id) {
		got = append(got, session.IP)
	}
	for _, m := range want {
		ips = append(ips, m.ip)
	}
	slices.Sort(got)
	slices.Sort(ips)
	if !slices.Equal(got, ips) {
		s.Errorf("the user's sessions are %q, want %q", got, ips)
	}
}

// Those longest idle end, whenever they were created, and the new one never does.
func testMaxSessions(s *suite) {
	n := store.New{ID: "u", TTL: 1000}
	var all []member
	for range 5 {
		all = append(all, s.join("app", n))
		s.clock.Advance(1)
	}
	elsewhere := []member{s.join("app", store.New{ID: "u:"}), s.join("other", n)}
	s.get("app", all[0].token) // now the last that was active
	s.clock.Advance(1)
	n.MaxSessions = 7
	all = append(all, s.join("app", n))
	s.wantMembers("app", "u", all...)
	n.MaxSessions = 6
	all = append(all, s.join("app", n))
	s.wantMembers("app", "u", all[0], all[2], all[3], all[4], all[5], all[6])
	s.gone("app", all[1].token)
	n.MaxSessions = 3
	all = append(all, s.join("app", n))
	s.wantMembers("app", "u", all[7], all[6], all[5])
	n.MaxSessions = 1
	s.clock.Advance(-500) // so that the new one is the one longest idle
	all = append(all, s.join("app", n))
	s.clock.Advance(500)
	s.wantMembers("app", "u", all[8])
	for _, m := range all[:8] {
		s.gone("app", m.token)
	}
	s.wantMembers("app", "u:", elsewhere[0])
	s.wantMembers("other", "u", elsewhere[1])
	s.wantActivity("app", forever, 2)
	s.wantKillApp("app", 2)
}

// Of those active in the same second, the lower tokens end.
func testMaxSessionsOrder(s *suite) {
	n := store.New{ID: "u", TTL: 1000}
	var tokens []string
	for range 40 {
		tokens = append(tokens, s.create("app", n))
	}
	slices.Sort(tokens)
	n.MaxSessions = 21
	token := s.create("app", n)
	for i, old := range tokens {
		if i < 20 {
			s.gone("app", old)
		} else {
			s.get("app", old)
		}
	}
	s.get("app", token)
}

// What is over does not count, and is left to the wiper.
func testMaxSessionsOver(s *suite) {
	over := s.create("app", store.New{ID: "u", TTL: 10})
	s.create("app", store.New{ID: "u", TTL: 1000, MaxAge: 10})
	s.clock.Advance(5)
	n := store.New{ID: "u", TTL: 100}
	first := s.join("app", n)
	s.clock.Advance(6)
	n.MaxSessions = 2
	second := s.join("app", n)
	s.wantMembers("app", "u", first, second)
	s.clock.Advance(-1)
	s.get("app", over) // still stored
	s.clock.Advance(12)
	third := s.join("app", n)
	s.wantMembers("app", "u", second, third)
	s.wantWipe(2)
	s.wantKillApp("app", 2)
}

// A user with any number of sessions is left with those that may be.
func testMaxSessionsMany(s *suite) {
	for _, limit := range []int{1, 2, 50, 100} {
		const others = 700
		var tokens []string
		for i := range others {
			if i%7 == 0 {
				s.clock.Advance(1)
			}
			ttl := int64(10_000)
			if i%5 == 0 {
				ttl = 10
			}
			tokens = append(tokens, s.create("app", store.New{ID: "u", TTL: ttl}))
		}
		stranger := s.create("app", store.New{ID: "stranger"})
		s.clock.Advance(11)
		// The last limit-1 of those that are not over, the higher tokens of a second.
		var kept []string
		for second := others/7 - 1; len(kept) < limit-1; second-- {
			var some []string
			for i := 7 * second; i < 7*second+7; i++ {
				if i%5 != 0 {
					some = append(some, tokens[i])
				}
			}
			slices.Sort(some)
			slices.Reverse(some)
			kept = append(kept, some...)
		}
		kept = kept[:limit-1]
		kept = append(kept, s.create("app", store.New{ID: "u", TTL: 10_000, MaxSessions: limit}))
		if n := len(s.ofID("app", "u")); n != limit {
			s.Errorf("%d sessions, want %d", n, limit)
		}
		for _, token := range kept {
			s.get("app", token)
		}
		s.get("app", stranger)
		s.wantKillID("app", "u", int64(limit))
		s.store.KillApp(s.ctx, "app")
	}
}

// However many are started at once, no more are left than may be, and none too
// few.
func testMaxSessionsAtOnce(s *suite) {
	const rounds, starters, limit = 40, 6, 3
	for range rounds {
		var wg sync.WaitGroup
		for range starters {
			wg.Go(func() {
				n := store.New{ID: "u", IP: "::1", TTL: 100, MaxSessions: limit}
				if _, err := s.store.Create(s.ctx, "app", store.NewToken("u"), n); err != nil {
					s.Errorf("Create: %v", err)
				}
			})
		}
		wg.Wait()
		if n := len(s.ofID("app", "u")); n != limit {
			s.Errorf("%d sessions are left, want %d", n, limit)
		}
	}
	s.wantKillApp("app", limit)
}

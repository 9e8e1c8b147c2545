package storetest

import (
	"fmt"
	"sync"

	"rest-sessions/store"
)

// Of the new user's sessions those longest idle end, as with a new one, and never the
// moved one, however long it was idle.
func testMoveMaxSessions(s *suite) {
	for _, id := range []string{"b", "c", "d"} { // which an engine may keep in other places
		s.moveWithin(id)
	}
}

func (s *suite) moveWithin(id string) {
	n := store.New{ID: id, TTL: 1000}
	moved := []member{s.join("app", store.New{ID: "a", TTL: 10_000}), s.join("app", store.New{ID: "a", TTL: 10_000})}
	left := s.join("app", store.New{ID: "a", TTL: 10_000})
	s.create("app", store.New{ID: id, TTL: 10})
	var all []member
	for range 4 {
		s.clock.Advance(20)
		all = append(all, s.join("app", n))
	}
	s.clock.Advance(1)
	s.get("app", all[0].token)
	s.clock.Advance(1)
	token := s.move("app", moved[0].token, store.Move{ID: id, MaxSessions: 5})
	s.wantMembers("app", id, all[0], all[1], all[2], all[3], moved[0])
	s.wantMembers("app", "a", moved[1], left)
	s.clock.Advance(1)
	s.move("app", moved[1].token, store.Move{ID: id, MaxSessions: 3})
	s.wantMembers("app", id, all[0], moved[0], moved[1])
	for _, m := range all[1:] {
		s.gone("app", m.token)
	}
	s.wantMembers("app", "a", left)
	s.clock.Advance(1)
	s.get("app", token)
	s.wantWipe(1)                    // the one that is over
	s.clock.Set(s.clock.Now() - 500) // so that the moved one is the one longest idle
	s.move("app", left.token, store.Move{ID: id, MaxSessions: 1})
	s.clock.Set(s.clock.Now() + 500)
	s.wantMembers("app", id, left)
	s.wantMembers("app", "a")
	s.gone("app", token)
	s.wantKillApp("app", 1)
}

// A user with any number of sessions is left with those that may be.
func testMoveMaxSessionsMany(s *suite) {
	for _, limit := range []int{1, 2, 100} {
		for i := range 700 {
			if i%7 == 0 {
				s.clock.Advance(1)
			}
			s.create("app", store.New{ID: "b", IP: fmt.Sprint(i / 7)})
		}
		stranger := s.create("app", store.New{ID: "stranger"})
		s.clock.Advance(11)
		token := s.move("app", s.create("app", store.New{ID: "a", IP: "moved"}), store.Move{ID: "b", MaxSessions: limit})
		list := s.ofID("app", "b")
		if len(list) != limit {
			s.Errorf("%d sessions, want %d", len(list), limit)
		}
		oldest := 100 - (limit-1+6)/7
		for _, session := range list {
			var second int
			if _, err := fmt.Sscan(session.IP, &second); err == nil && second < oldest {
				s.Errorf("one of second %d is left, want from %d", second, oldest)
			}
		}
		s.get("app", token)
		s.get("app", stranger)
		s.wantKillApp("app", int64(limit+1))
	}
}

// The session that moves stays, whatever token it is named by and however many others have
// to end before it can.
func testMoveMaxSessionsByOldToken(s *suite) {
	old := s.create("app", store.New{ID: "b"})
	s.rotate("app", old, store.MaxGrace)
	s.clock.Advance(1)
	for range 400 {
		s.create("app", store.New{ID: "b"})
	}
	token := s.move("app", old, store.Move{ID: "b", MaxSessions: 3})
	if got := s.peek("app", token); got.First != old {
		s.Errorf("the first token is %s, want %s", got.First, old)
	}
	s.wantKillApp("app", 3)
}

// However many come at once, no more are left than may be, and none too few.
func testMoveMaxSessionsAtOnce(s *suite) {
	const rounds, movers, limit = 30, 6, 3
	for range rounds {
		var wg sync.WaitGroup
		for i := range movers {
			token := s.create("app", store.New{ID: fmt.Sprint("u", i)})
			wg.Go(func() {
				if _, err := s.store.Move(s.ctx, "app", token, store.NewToken("v"), store.Move{ID: "v", MaxSessions: limit}); err != nil {
					s.Errorf("Move: %v", err)
				}
			})
		}
		wg.Wait()
		if n := len(s.ofID("app", "v")); n != limit {
			s.Fatalf("%d sessions are left, want %d", n, limit)
		}
	}
	s.wantKillApp("app", limit)
}

package storetest

import (
	"errors"
	"fmt"
	"slices"

	"rest-sessions/store"
)

// A moved session is what it was, but for its user, its token, its idle time, and its
// address if there is a new one.
func testMove(s *suite) {
	for _, n := range kinds {
		for _, ip := range []string{"", "5.6.7.8"} {
			for _, wait := range []int64{0, 1, 70} {
				n.IP, n.Data = "1.2.3.4", data(`"a"`, `1`)
				first, created := s.create("app", n), s.clock.Now()
				s.get("app", first)
				s.set("app", first, data(`"b"`, `2.0`))
				s.clock.Advance(5)
				s.touch("app", first, 0, 0)
				s.clock.Advance(wait)
				want := s.peek("app", first)
				want.ID, want.Idle = "a:b", 0
				want.Expires = expires(n, created, s.clock.Now())
				if ip != "" {
					want.IP = ip
				}
				fresh := store.NewToken("a:b")
				s.wantDetails(s.moveAs("app", first, fresh, store.Move{ID: "a:b", IP: ip}), want.Details)
				s.gone("app", first)
				s.gone("other", fresh)
				s.want(s.peek("app", fresh), want)
				s.wantIDs(s.ofID("app", "u"))
				for _, list := range [][]store.Session{
					s.ofID("app", "a:b"), s.ofApp("app", 0), s.appInPages(0, 5, nothing), s.idInPages("a:b", 5, nothing),
				} {
					if len(list) != 1 {
						s.Fatalf("listed %d sessions, want 1", len(list))
					}
					s.want(list[0], want)
				}
				s.want(s.getWith("app", fresh), want)
				want.R, want.W, want.D = want.R+1, want.W+1, `{"a":1,"b":2.0,"c":3}`
				s.want(s.setIf("app", fresh, want.W-1, data(`"c"`, `3`)), want)
				s.wantActivity("app", 10, 1)
				s.wantKillApp("app", 1)
				s.gone("app", fresh)
				s.clock.Advance(forever)
				s.wantWipe(0)
				if s.Failed() {
					s.Fatalf("a move of %+v to ip %q after %d s", n, ip, wait)
				}
			}
		}
	}
}

// It ends when it would have after any activity, and is wiped then: the new user's
// entry for it with it.
func testMoveEnds(s *suite) {
	for _, n := range kinds[:5] {
		for _, wait := range []int64{0, 1, 100} {
			s.clock.Advance(23)
			token, created := s.create("app", n), s.clock.Now()
			s.clock.Advance(wait)
			token = s.move("app", token, store.Move{ID: "v"})
			end, last := expires(n, created, s.clock.Now()), int64(0)
			if n.MaxAge > 0 {
				last = created + n.MaxAge
			}
			left := n.TTL
			if n.NoResave {
				left -= wait
			}
			at := store.WipeAt(s.clock.Now(), left, n.NoResave, last)
			s.clock.Set(end)
			s.wantWipe(0)
			s.peek("app", token)
			s.clock.Set(end + 1)
			s.gone("app", token)
			s.wantIDs(s.ofID("app", "v"))
			s.wantActivity("app", forever, 1)
			s.clock.Set(at - 1)
			if at-1 > end {
				s.wantWipe(0)
			}
			s.clock.Set(at)
			s.wantWipe(1)
			s.wantActivity("app", forever, 0)
			s.wantKillApp("app", 0)
			if s.Failed() {
				s.Fatalf("a move of %+v after %d s", n, wait)
			}
		}
	}
}

// All tokens that it had end with the move, also those in their grace, by whichever it
// was moved; those that it gets afterwards are as any.
func testMoveTokens(s *suite) {
	for by := range 4 {
		first := s.create("app", store.New{ID: "u", TTL: 1000})
		olds := []string{first}
		for range 3 {
			s.clock.Advance(1)
			olds = append(olds, s.rotate("app", olds[len(olds)-1], 60))
		}
		for round := range 3 {
			id := fmt.Sprint("v", round)
			if round == 2 {
				id = "u" // again
			}
			s.clock.Advance(1)
			fresh := s.move("app", olds[max(len(olds)-4, 0)+by], store.Move{ID: id})
			for _, old := range olds {
				s.gone("app", old)
				if _, err := s.store.Move(s.ctx, "app", old, store.NewToken("x"), store.Move{ID: "x"}); !errors.Is(err, store.ErrNotFound) {
					s.Errorf("Move by an old token: %v, want ErrNotFound", err)
				}
			}
			if got := s.peek("app", fresh); got.First != first {
				s.Errorf("the first token is %s, want %s", got.First, first)
			}
			s.wantKillHandle("app", "u", store.NewToken("u"), false)
			s.create("app", store.New{ID: id})
			s.wantKillOthers("app", id, fresh, 1)
			// It may be rotated, and its tokens have their grace.
			olds = append(olds, fresh)
			token := fresh
			for range 3 {
				s.clock.Advance(1)
				token = s.rotate("app", token, 60)
				olds = append(olds, token)
			}
			for _, old := range olds[len(olds)-4:] {
				if got := s.peek("app", old); got.ID != id || got.First != first {
					s.Errorf("an old token of the moved one answers %+v", got)
				}
			}
			s.rotateOld("app", fresh, token)
			s.wantIDs(s.ofID("app", id), id)
			s.wantIDs(s.ofApp("app", forever), id)
		}
		s.clock.Advance(60)
		s.gone("app", olds[len(olds)-4])
		s.gone("app", olds[len(olds)-3])
		s.peek("app", olds[len(olds)-1])
		s.wantKillHandle("app", "v1", first, false)
		s.wantKillHandle("app", "u", first, true)
		s.wantKillApp("app", 0)
		s.wantActivity("app", forever, 0)
	}
	// A kill finds it by none but the new one.
	old := s.create("app", store.New{ID: "u"})
	older := s.rotate("app", old, 60)
	fresh := s.move("app", older, store.Move{ID: "v"})
	if s.kill("app", old) || s.kill("app", older) || !s.kill("app", fresh) {
		s.Error("Kill by the tokens of before and the one of now")
	}
}

// The old user loses it and stays, at the last activity, with any other; the new one
// was active now.
func testMoveUsers(s *suite) {
	a := s.create("app", store.New{ID: "a", IP: "stays"})
	b := s.create("app", store.New{ID: "b", IP: "old"})
	s.clock.Advance(100)
	moved := s.create("app", store.New{ID: "a", IP: "moves"})
	s.clock.Advance(10)
	moved = s.move("app", moved, store.Move{ID: "b"})
	s.wantActivity("app", 9, 1) // b
	s.wantActivity("app", 10, 2)
	s.wantIDs(s.ofID("app", "a"), "a")
	s.wantIDs(s.ofID("app", "b"), "b", "b")
	s.wantIDs(s.ofApp("app", 50), "b")
	s.clock.Advance(5)
	s.wantActivity("app", 14, 1)
	s.wantActivity("app", 15, 2)

	s.kill("app", moved)
	s.wantActivity("app", 4, 0)
	s.wantActivity("app", 5, 1) // b still, by the move
	s.wantIDs(s.ofID("app", "b"), "b")

	// The last one takes the old user along.
	a = s.move("app", a, store.Move{ID: "c"})
	s.wantIDs(s.ofID("app", "a"))
	s.wantActivity("app", 10, 2)
	s.wantActivity("app", forever, 2)
	s.kill("app", b)
	s.wantActivity("app", forever, 1)
	s.wantKillID("app", "a", 0)
	s.wantKillID("app", "c", 1)
	s.gone("app", a)
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)

	// One that is over keeps its user until it is wiped.
	s.create("app", store.New{ID: "a", TTL: 10})
	moved = s.create("app", store.New{ID: "a"})
	s.clock.Advance(11)
	s.move("app", moved, store.Move{ID: "b"})
	s.wantActivity("app", forever, 2)
	s.wantWipe(1)
	s.wantActivity("app", forever, 1)
	s.wantKillApp("app", 1)
}

// A session may be moved to the user who has it: it gets a token and an address.
func testMoveSameUser(s *suite) {
	for _, others := range []int{0, 2} {
		for _, limit := range []int{0, 1, 2, 3} {
			s.store.KillApp(s.ctx, "app")
			old := s.create("app", store.New{ID: "u", TTL: 100, IP: "old"})
			for range others {
				s.clock.Advance(1)
				s.create("app", store.New{ID: "u", TTL: 100})
			}
			s.clock.Advance(20)
			older := s.rotate("app", old, 60)
			want := s.peek("app", older)
			want.IP = "new"
			fresh := s.move("app", older, store.Move{ID: "u", IP: "new", MaxSessions: limit})
			s.gone("app", old)
			s.gone("app", older)
			s.want(s.peek("app", fresh), want)
			left := others + 1
			if limit > 0 {
				left = min(left, limit)
			}
			if n := len(s.ofID("app", "u")); n != left {
				s.Errorf("%d of %d sessions are left, want %d", n, others+1, left)
			}
			s.wantActivity("app", 10, 1)
			s.wantKillHandle("app", "u", old, true)
			s.wantActivity("app", forever, int64(min(1, left-1)))
			s.wantKillApp("app", int64(left-1))
		}
	}
}

// Where there is no such session nothing comes to be, and nobody's sessions end.
func testMoveMissing(s *suite) {
	killed := s.create("app", store.New{ID: "a"})
	s.kill("app", killed)
	over := s.create("app", store.New{ID: "a", TTL: 10})
	aged := s.create("app", store.New{ID: "a", TTL: 100, MaxAge: 10})
	graced := s.create("app", store.New{ID: "c", TTL: 100})
	s.rotate("app", graced, 10)
	s.clock.Advance(11)
	elsewhere := s.create("other", store.New{ID: "a"})
	for range 3 {
		s.create("app", store.New{ID: "b"})
	}
	for _, token := range []string{killed, over, aged, graced, elsewhere, store.NewToken("a"), store.NewToken("b")} {
		for _, limit := range []int{0, 1} {
			for _, id := range []string{"b", "d"} {
				fresh := store.NewToken(id)
				if got, err := s.store.Move(s.ctx, "app", token, fresh, store.Move{ID: id, MaxSessions: limit}); !errors.Is(err, store.ErrNotFound) {
					s.Errorf("Move of none: %+v, %v", got, err)
				}
				s.gone("app", fresh)
			}
		}
	}
	if got := s.get("other", elsewhere); got.R != 1 {
		s.Errorf("the session of another app: %+v", got)
	}
	s.wantIDs(s.ofID("app", "b"), "b", "b", "b")
	s.wantIDs(s.ofID("app", "d"))
	s.wantActivity("app", forever, 3)
	s.wantWipe(1 + 1)
	s.wantKillApp("app", 4)
}

// Whoever has it and whoever gets it.
func testMoveIDs(s *suite) {
	first := s.create("app", store.New{ID: "u", Data: data(`"a"`, `1`)})
	token, from := first, "u"
	for i, id := range ids {
		s.clock.Advance(int64(i % 3))
		var stays string
		if i%2 == 0 {
			stays = s.create("app", store.New{ID: id})
		}
		if i%5 == 0 {
			token = s.rotate("app", token, 60)
		}
		token = s.move("app", token, store.Move{ID: id})
		if got := s.peek("app", token); got.ID != id || got.First != first || got.D != `{"a":1}` {
			s.Errorf("moved to %q: %+v", id, got)
		}
		s.wantIDs(s.ofID("app", from))
		s.wantActivity("app", 10, 1)
		s.wantKillHandle("app", from, first, false)
		if stays != "" {
			s.wantIDs(s.ofID("app", id), id, id)
			s.kill("app", stays)
		}
		s.wantIDs(s.ofID("app", id), id)
		s.wantIDs(s.ofApp("app", forever), id)
		from = id
	}
	s.wantKillHandle("app", from, first, true)
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
	s.clock.Advance(forever)
	s.wantWipe(0)
}

// Many moves leave each list whole: each session once, the last moved first.
func testMoveLists(s *suite) {
	sessions := s.fill("app", 300)
	var want []string
	for i := range sessions {
		if i%3 == 0 {
			s.clock.Advance(1)
			s.move("app", sessions[i].token, store.Move{ID: fmt.Sprint("new", i%2), IP: fmt.Sprint(i)})
			want = append(want, fmt.Sprint(i))
		}
	}
	slices.Reverse(want)
	var got []string
	for _, session := range s.ofApp("app", 99) {
		got = append(got, session.IP)
	}
	if !slices.Equal(got, want) {
		s.Errorf("listed %q\nwant   %q", got, want)
	}
	whole := s.ofApp("app", forever)
	if len(whole) != len(sessions) {
		s.Errorf("listed %d sessions, want %d", len(whole), len(sessions))
	}
	s.wantList(s.appInPages(forever, 13, nothing), whole)
	if n := len(s.idInPages("new0", 7, nothing)); n != 50 {
		s.Errorf("the new user has %d sessions, want 50", n)
	}
	s.wantActivity("app", forever, 202)
	s.wantKillID("app", "new1", 50)
	s.wantKillApp("app", 250)
	s.wantActivity("app", forever, 0)
}

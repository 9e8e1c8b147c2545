package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

// kinds are sessions that end in each of the ways that there are.
var kinds = []store.New{
	{ID: "u", TTL: 300},
	{ID: "u", TTL: 300, NoResave: true},
	{ID: "u", TTL: 300, MaxAge: 400},
	{ID: "u", TTL: 300, MaxAge: 200},
	{ID: "u", TTL: 300, MaxAge: 200, NoResave: true},
	{ID: "u", TTL: store.MaxTTL, MaxAge: store.MaxTTL},
}

// expires returns the last second of a session of n, without activity after la.
func expires(n store.New, created, la int64) int64 {
	at := la + n.TTL
	if n.NoResave {
		at = created + n.TTL
	}
	if n.MaxAge > 0 {
		at = min(at, created+n.MaxAge)
	}
	return at
}

// Every method but Get tells the first token, whatever the token of now, the creation,
// and when the session ends after it.
func testDetails(s *suite) {
	for _, n := range kinds {
		s.store.KillApp(s.ctx, "app")
		first, created := store.NewToken("u"), s.clock.Now()
		n.IP = "::1"
		answer, err := s.store.Create(s.ctx, "app", first, n)
		if err != nil {
			s.Fatal(err)
		}
		want := store.Details{First: first, Created: created, Expires: expires(n, created, created)}
		s.wantDetails(answer, want)
		token := first
		active := func() { want.Expires = expires(n, created, s.clock.Now()) }
		rotate := func(by string) string {
			s.Helper()
			active()
			now, answer, err := s.store.Rotate(s.ctx, "app", by, store.NewTokenLike(by), 60)
			if err != nil {
				s.Fatal(err)
			}
			s.wantDetails(answer, want)
			return now
		}
		for round := range 4 {
			s.clock.Advance(7)
			for _, list := range [][]store.Session{
				s.ofApp("app", forever), s.ofID("app", "u"), s.appInPages(forever, 1, nothing), s.idInPages("u", 1, nothing),
				{s.peek("app", token)}, {s.conflict("app", token, 1000)},
			} {
				if len(list) != 1 {
					s.Fatalf("listed %d sessions, want 1", len(list))
				}
				s.wantDetails(list[0].Details, want) // as it stands
			}
			if got := s.get("app", token); got.Details != (store.Details{}) {
				s.Errorf("Get tells %+v", got.Details)
			}
			active()
			s.wantDetails(s.peek("app", token).Details, want)
			for _, call := range []func() store.Session{
				func() store.Session { return s.getWith("app", token) },
				func() store.Session { return s.set("app", token, data(`"a"`, fmt.Sprint(round))) },
				func() store.Session {
					return s.setIf("app", token, s.peek("app", token).W, data(`"b"`, fmt.Sprint(round)))
				},
				func() store.Session { return s.touch("app", token, 0, 0) },
			} {
				for _, wait := range []int64{0, 3} {
					s.clock.Advance(wait)
					active()
					s.wantDetails(call().Details, want)
				}
			}
			s.clock.Advance(2)
			old := token
			token = rotate(old)
			s.clock.Advance(2)
			if again := rotate(old); again != token {
				s.Errorf("Rotate of an old token: %s, want %s", again, token)
			}
			s.wantDetails(s.peek("app", old).Details, want)
		}
		s.clock.Advance(2)
		active()
		moved := store.NewToken("v")
		s.wantDetails(s.moveAs("app", token, moved, store.Move{ID: "v"}), want)
		s.wantDetails(s.peek("app", moved).Details, want)
		if want.Expires < s.clock.Now()+forever {
			s.clock.Set(want.Expires)
			s.peek("app", moved)
			s.clock.Advance(1)
			s.gone("app", moved)
		}
	}
}

// Each session has a first token of its own, also one of the same user and second.
func testDetailsDiffer(s *suite) {
	want := map[string]bool{}
	for i := range 50 {
		token := s.create("app", store.New{ID: "u"})
		want[token] = true
		for range i % 3 {
			token = s.rotate("app", token, int64(i%2))
		}
	}
	handles := map[string]bool{}
	for _, session := range s.ofID("app", "u") {
		if !want[session.First] {
			s.Errorf("listed with the first token %q", session.First)
		}
		handles[store.Handle(session.First)] = true
	}
	if len(handles) != len(want) {
		s.Errorf("%d handles, want %d", len(handles), len(want))
	}
}

// GetWith is a read as Get is.
func testGetWith(s *suite) {
	old := s.create("app", store.New{ID: "u", TTL: 100, NoResave: true, Data: data(`"a"`, `1`)})
	token := s.rotate("app", old, 60)
	want := store.Session{ID: "u", IP: "127.0.0.1", D: `{"a":1}`, R: 1, W: 1, TTL: 100, NoResave: true}
	for i, wait := range []int64{0, 0, 1, 10, 20} {
		s.clock.Advance(wait)
		want.Idle, want.TTL = wait, want.TTL-wait
		if i%2 == 0 {
			s.want(s.getWith("app", old), want)
		} else {
			s.want(s.get("app", token), want)
		}
		want.R++
		s.wantActivity("app", 0, 1)
	}
	s.clock.Advance(3)
	want.Idle, want.TTL = 3, want.TTL-3
	s.want(s.getWith("app", token), want)
	s.wantKillID("app", "u", 1)
	if got, err := s.store.GetWith(s.ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("GetWith after the kill: %+v, %v", got, err)
	}
}

// Peek shows what a read would, as often as it is asked, and moves nothing.
func testPeek(s *suite) {
	for _, noResave := range []bool{false, true} {
		old := s.create("app", store.New{ID: "u", TTL: 100, NoResave: noResave, Data: data(`"a"`, `1`)})
		s.set("app", old, data(`"a"`, `2`))
		token := s.rotate("app", old, 60)
		other := s.create("app", store.New{ID: "other", TTL: 100})
		at := store.WipeAt(s.clock.Now(), 100, noResave, 0)
		want := store.Session{ID: "u", IP: "127.0.0.1", D: `{"a":2}`, R: 1, W: 2, TTL: 100, NoResave: noResave}
		for _, wait := range []int64{0, 1, 1, 7, 50} {
			s.clock.Advance(wait)
			want.Idle += wait
			if noResave {
				want.TTL -= wait
			}
			s.want(s.peek("app", token), want)
			s.want(s.peek("app", old), want)
			s.wantActivity("app", want.Idle-1, 0)
			s.wantActivity("app", want.Idle, 2)
			s.wantIDs(s.ofApp("app", want.Idle-1))
		}
		s.get("app", other)
		s.peek("app", token)
		s.wantIDs(s.ofApp("app", forever), "other", "u")
		s.kill("app", other)
		s.clock.Advance(42)
		if got, err := s.store.Peek(s.ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("Peek of one that is over: %+v, %v", got, err)
		}
		s.clock.Set(at - 1)
		s.wantWipe(0)
		s.clock.Set(at)
		s.wantWipe(1)
	}
	token := s.create("app", store.New{ID: "u", TTL: 100})
	for range 3 {
		s.clock.Advance(60)
		s.peek("app", token)
		if got := s.get("app", token); got.Idle != 60 {
			s.Errorf("idle %d after a peek, want 60", got.Idle)
		}
	}
	s.gone("none", token)
}

// A touch is activity, and neither a read nor a write.
func testTouch(s *suite) {
	for _, noResave := range []bool{false, true} {
		old := s.create("app", store.New{ID: "u", TTL: 600, NoResave: noResave, Data: data(`"a"`, `1`)})
		s.get("app", old)
		s.set("app", old, data(`"b"`, `2`))
		token := s.rotate("app", old, 60)
		want := store.Session{ID: "u", IP: "127.0.0.1", D: `{"a":1,"b":2}`, R: 2, W: 2, TTL: 600, NoResave: noResave}
		for i, wait := range []int64{0, 1, 0, 9, 50, 60, 200} {
			s.create("app", store.New{ID: "other"})
			s.clock.Advance(wait)
			want.Idle = wait
			if noResave {
				want.TTL -= wait
			}
			by := token
			if i < 5 {
				by = old
			}
			s.want(s.touch("app", by, 0, 0), want)
			if wait > 0 {
				s.wantActivity("app", wait-1, 1)
				s.wantIDs(s.ofApp("app", wait-1), "u")
				s.wantIDs(s.appInPages(wait-1, 5, nothing), "u")
			}
			s.wantKillID("app", "other", 1)
		}
		want.Idle = 0
		s.want(s.get("app", token), want)
		s.wantIDs(s.ofID("app", "u"), "u")
		at := store.WipeAt(s.clock.Now(), want.TTL, noResave, 0)
		s.clock.Advance(want.TTL)
		s.peek("app", token)
		s.clock.Set(at - 1)
		s.wantWipe(0)
		s.clock.Set(at)
		s.wantWipe(1)
	}
	for _, token := range []string{store.NewToken("u"), s.create("other", store.New{ID: "u"})} {
		if got, err := s.store.Touch(s.ctx, "app", token, 10, 10); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("Touch: %+v, %v, want ErrNotFound", got, err)
		}
	}
	s.wantKillApp("app", 0)
}

// A ttl counts from the touch, longer or shorter, and all that ends sessions goes by
// it at once, in whatever window it is.
func testTouchTTL(s *suite) {
	for _, noResave := range []bool{false, true} {
		for _, was := range []int64{10, 100, 600, 7200} {
			for _, ttl := range []int64{10, 19, 100, 599, 7200} {
				for _, wait := range []int64{0, 1, 10} {
					s.clock.Advance(23)
					token := s.create("app", store.New{ID: "u", TTL: was, NoResave: noResave})
					s.clock.Advance(wait)
					want := store.Session{
						ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: ttl, Idle: wait, NoResave: noResave,
						Details: store.Details{First: token, Created: s.clock.Now() - wait, Expires: s.clock.Now() + ttl},
					}
					s.want(s.touch("app", token, ttl, 0), want)
					want.Idle = 0
					s.want(s.peek("app", token), want)
					at := store.WipeAt(s.clock.Now(), ttl, noResave, 0)
					s.clock.Advance(ttl)
					s.wantWipe(0)
					want.Idle = ttl
					if noResave {
						want.TTL = 0
					}
					s.want(s.peek("app", token), want)
					s.clock.Advance(1)
					s.gone("app", token)
					s.wantIDs(s.ofID("app", "u"))
					s.clock.Set(at - 1)
					s.wantWipe(0)
					s.clock.Set(at)
					s.wantWipe(1)
					s.wantActivity("app", forever, 0)
					if s.Failed() {
						s.Fatalf("from %d to %d s after %d, no resave %v", was, ttl, wait, noResave)
					}
				}
			}
		}
	}
}

// The session goes on with the ttl of the last touch that gave one.
func testTouchTTLStays(s *suite) {
	for _, noResave := range []bool{false, true} {
		token := s.create("app", store.New{ID: "u", TTL: 600, NoResave: noResave})
		reads := int64(1)
		for i, ttl := range []int64{7200, 100, 20, 7200, 600, 10, 10, 11, 100_000, 25} {
			s.touch("app", token, ttl, 0)
			for _, call := range []func(){
				func() { s.get("app", token); reads++ },
				func() { s.set("app", token, data(`"i"`, fmt.Sprint(i))) },
				func() { token = s.rotate("app", token, 0) },
				func() { s.touch("app", token, 0, 0) },
			} {
				s.clock.Advance(2)
				call()
			}
			left := ttl
			if noResave {
				left -= 8
			}
			if got := s.peek("app", token); got.TTL != left || got.R != reads || got.W != int64(2+i) || got.NoResave != noResave {
				s.Errorf("after a touch with %d s: %+v, want %d s", ttl, got, left)
			}
			s.clock.Advance(left)
			s.wantWipe(0)
			s.get("app", token)
			reads++
		}
		at := store.WipeAt(s.clock.Now(), 25, false, 0)
		if noResave {
			at = s.clock.Now() + 1
		}
		s.clock.Set(at - 1)
		s.wantWipe(0)
		s.clock.Set(at)
		s.wantWipe(1)
	}
}

// A max age counts from the touch, whether there was one or not, and nothing puts it
// off but another.
func testTouchMaxAge(s *suite) {
	for _, n := range []store.New{
		{TTL: 1000}, {TTL: 1000, MaxAge: 50}, {TTL: 1000, MaxAge: 5000}, {TTL: 1000, NoResave: true}, {TTL: 20, MaxAge: 20},
	} {
		for _, ttl := range []int64{0, 500, 2000} {
			for _, maxAge := range []int64{10, 60, 200} {
				n.ID = "u"
				token := s.create("app", n)
				s.clock.Advance(13)
				s.touch("app", token, 0, 0)
				s.clock.Advance(7)
				left := ttl
				if left == 0 {
					left = n.TTL
					if n.NoResave {
						left -= 20
					}
				}
				end := s.clock.Now() + maxAge
				want := store.Session{
					ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: left, Idle: 7, NoResave: n.NoResave,
					Details: store.Details{First: token, Created: s.clock.Now() - 20, Expires: min(end, s.clock.Now()+left)},
				}
				s.want(s.touch("app", token, ttl, maxAge), want)
				for s.clock.Now()+20 < end {
					s.clock.Advance(20)
					s.wantWipe(0)
					s.touch("app", token, 0, 0)
				}
				s.clock.Set(end)
				s.wantWipe(0)
				s.get("app", token)
				s.clock.Advance(1)
				s.gone("app", token)
				s.wantWipe(1)
				if s.Failed() {
					s.Fatalf("a touch of %+v with %d s and a max age of %d s", n, ttl, maxAge)
				}
			}
		}
	}
	// Without one, it stays.
	token := s.create("app", store.New{ID: "u", TTL: 100, MaxAge: 100})
	s.clock.Advance(60)
	s.touch("app", token, 1000, 0)
	s.clock.Advance(41)
	s.gone("app", token)
	s.wantWipe(1)
}

// A set whose w is the session's is a set; any other answers the session and leaves it.
func testSetIf(s *suite) {
	for _, noResave := range []bool{false, true} {
		s.store.KillApp(s.ctx, "app")
		old := s.create("app", store.New{ID: "u", TTL: 300, NoResave: noResave, Data: data(`"a"`, `1`)})
		token := s.rotate("app", old, 60)
		s.create("app", store.New{ID: "later"})
		want := store.Session{ID: "u", IP: "127.0.0.1", D: `{"a":1}`, R: 1, W: 1, TTL: 300, NoResave: noResave}
		for i, wait := range []int64{0, 1, 9, 50, 60} {
			s.clock.Advance(wait)
			want.Idle = wait
			if noResave {
				want.TTL -= wait
			}
			by := token
			if i < 4 {
				by = old
			}
			for _, w := range []int64{0, want.W - 1, want.W + 1, 1 << 40} {
				got := s.conflict("app", by, w)
				s.want(got, want)
				if got != s.peek("app", token) {
					s.Errorf("a conflict answers %+v, want what Peek does", got)
				}
				if wait > 0 {
					s.wantActivity("app", wait-1, 0)
					s.wantIDs(s.ofApp("app", wait-1))
				}
			}
			want.W, want.D = want.W+1, fmt.Sprintf(`{"a":%d}`, i)
			s.want(s.setIf("app", by, want.W-1, data(`"a"`, fmt.Sprint(i))), want)
			s.wantKillID("app", "later", 1)
			s.wantActivity("app", 10, 1)
			s.create("app", store.New{ID: "later"})
			want.Idle = 0
			s.want(s.peek("app", token), want)
			s.want(s.conflict("app", by, want.W-1), want)
		}
		want.D, want.W = "", want.W+1
		s.want(s.setIf("app", token, want.W-1, data(`"a"`, `null`)), want)
		s.kill("app", token)
		for _, token := range []string{token, old, store.NewToken("u"), s.create("other", store.New{ID: "u"})} {
			for _, w := range []int64{0, 1, want.W} {
				if got, err := s.store.SetIf(s.ctx, "app", token, w, data(`"a"`, `1`)); !errors.Is(err, store.ErrNotFound) {
					s.Errorf("SetIf of none: %+v, %v", got, err)
				}
			}
		}
	}
}

// Of those who read and then write at once, one succeeds.
func testSetIfAtOnce(s *suite) {
	const writers, each = 8, 25
	token := s.create("app", store.New{ID: "u", Data: data(`"n"`, `0`)})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			at, err := s.store.Peek(s.ctx, "app", token)
			for done, conflicts := 0, 0; done < each; {
				if err != nil || conflicts > writers*each { // more than others set
					s.Errorf("SetIf: %v after %d conflicts", err, conflicts)
					return
				}
				var n int
				fmt.Sscanf(fieldOf(at.D, `"n"`), "%d", &n)
				at, err = s.store.SetIf(s.ctx, "app", token, at.W, data(`"n"`, fmt.Sprint(n+1)))
				if err == nil {
					done++
				} else if errors.Is(err, store.ErrConflict) {
					conflicts++
					err = nil
				}
			}
		})
	}
	wg.Wait()
	if got := s.peek("app", token); got.W != 1+writers*each || got.D != fmt.Sprintf(`{"n":%d}`, writers*each) {
		s.Errorf("after %d sets: %+v", writers*each, got)
	}
}

// A handle ends the one session that it is of, and of that user alone.
func testKillHandle(s *suite) {
	const n = 5
	var first, tokens []string
	for i := range n {
		first = append(first, s.create("app", store.New{ID: "u", TTL: 100, IP: fmt.Sprint(i)}))
		token := first[i]
		for range i {
			token = s.rotate("app", token, 60)
		}
		tokens = append(tokens, token)
	}
	other := s.create("app", store.New{ID: "other", TTL: 100})
	elsewhere := s.create("none", store.New{ID: "u"})
	s.wantKillHandle("app", "u", other, false)
	s.wantKillHandle("app", "other", first[0], false)
	s.wantKillHandle("app", "u:", first[0], false)
	s.wantKillHandle("app", "none", first[0], false)
	s.wantKillHandle("none", "u", first[0], false)
	s.wantKillHandle("app", "u", elsewhere, false)
	s.wantKillHandle("app", "u", store.NewToken("u"), false)
	s.wantKillHandle("app", "u", tokens[3], false) // not its first token
	s.wantKillHandle("app", "u", tokens[1], false)
	if left := len(s.ofID("app", "u")); left != n {
		s.Errorf("%d sessions are left, want %d", left, n)
	}
	for i, of := range []int{3, 0, 4} {
		s.wantKillHandle("app", "u", first[of], true)
		s.gone("app", tokens[of])
		s.gone("app", first[of])
		s.wantKillHandle("app", "u", first[of], false)
		if left := len(s.ofID("app", "u")); left != n-1-i {
			s.Errorf("%d sessions are left, want %d", left, n-1-i)
		}
	}
	for _, of := range []int{1, 2} {
		if got := s.peek("app", tokens[of]); got.R != 1 || got.Idle != 0 {
			s.Errorf("another of the user's: %+v", got)
		}
	}
	s.wantKillHandle("app", "other", other, true)
	s.wantActivity("app", forever, 1)
	// One that is over is left to the wiper.
	s.clock.Advance(101)
	s.wantKillHandle("app", "u", first[1], false)
	s.clock.Advance(-1)
	s.get("app", tokens[1])
	s.wantKillHandle("app", "u", first[1], true)
	s.wantActivity("app", forever, 1)
	s.wantKillHandle("app", "u", first[2], true)
	s.wantActivity("app", forever, 0)
	s.wantIDs(s.ofApp("app", forever))
	s.wantKillApp("app", 0)
	s.clock.Advance(forever)
	s.wantWipe(1) // the other app's
}

// Each of a user's many sessions is found.
func testKillHandleOfMany(s *suite) {
	var tokens []string
	for range 700 {
		tokens = append(tokens, s.create("app", store.New{ID: "u"}))
	}
	for i, token := range tokens {
		if i%7 == 0 {
			s.wantKillHandle("app", "u", token, true)
			s.wantKillHandle("app", "u", token, false)
			s.gone("app", token)
		}
	}
	s.wantKillID("app", "u", 600)
}

// A session is found by its handle also while it gets another token, and nothing of it
// is left. Of a user with few, also while it gets one after the other.
func testKillHandleAgainstRotations(s *suite) {
	for _, others := range []int{20, 300} {
		for range others {
			s.create("app", store.New{ID: "u"})
		}
		for range 60 {
			first := s.create("app", store.New{ID: "u"})
			var killed atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				token := first
				for n := 0; n == 0 || others == 20; n++ {
					after := killed.Load()
					fresh, _, err := s.store.Rotate(s.ctx, "app", token, store.NewTokenLike(token), 0)
					if errors.Is(err, store.ErrNotFound) {
						return
					}
					if err != nil || after {
						s.Errorf("Rotate, begun after the kill %v: %v", after, err)
						return
					}
					token = fresh
				}
			})
			wg.Go(func() {
				ok, err := s.store.KillHandle(s.ctx, "app", "u", store.Handle(first))
				killed.Store(true)
				if !ok || err != nil {
					s.Errorf("KillHandle: %v, %v", ok, err)
				}
			})
			wg.Wait()
			if s.Failed() {
				return
			}
		}
		s.wantKillApp("app", int64(others))
	}
}

// Of those who end a session by its handle at once, one is told so.
func testKillHandleAtOnce(s *suite) {
	for range 50 {
		token := s.create("app", store.New{ID: "u"})
		s.create("app", store.New{ID: "u"})
		var killed atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				ok, err := s.store.KillHandle(s.ctx, "app", "u", store.Handle(token))
				if err != nil {
					s.Errorf("KillHandle: %v", err)
				}
				if ok {
					killed.Add(1)
				}
			})
		}
		wg.Wait()
		s.number("those who were told", killed.Load(), nil, 1)
		s.gone("app", token)
	}
	s.wantKillApp("app", 50)
}

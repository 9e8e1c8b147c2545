package storetest

import (
	"errors"
	"fmt"

	"rest-sessions/store"
)

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

package storetest

import (
	"errors"
	"fmt"

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

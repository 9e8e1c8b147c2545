package storetest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"rest-sessions/store"
)

// listed is a session that a list must hold.
type listed struct {
	token   string
	at      int64 // last activity
	session store.Session
}

// inOrder returns the sessions as SessionsOfApp lists them at now.
func inOrder(sessions []listed, now int64) []store.Session {
	slices.SortFunc(sessions, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(b.token, a.token))
	})
	var list []store.Session
	for _, l := range sessions {
		l.session.Idle = now - l.at
		l.session.Expires = l.at + l.session.TTL
		list = append(list, l.session)
	}
	return list
}

func (s *suite) wantList(got, want []store.Session) {
	s.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			s.Errorf("place %d of %d holds\n%+v, want\n%+v", i, len(got), got[i], want[i])
			break
		}
	}
	s.Errorf("listed %d sessions, want %d", len(got), len(want))
}

// fill creates n sessions over some seconds, each of a user of its own.
func (s *suite) fill(app string, n int) []listed {
	s.Helper()
	sessions := make([]listed, n)
	for i := range sessions {
		if i%7 == 6 {
			s.clock.Advance(1)
		}
		id := fmt.Sprintf("user:%d", i)
		token := s.create(app, store.New{ID: id, Data: data(`"n"`, fmt.Sprint(i))})
		sessions[i] = listed{token, s.clock.Now(), store.Session{
			ID: id, IP: "127.0.0.1", D: fmt.Sprintf(`{"n":%d}`, i), R: 1, W: 1, TTL: store.DefaultTTL,
			Details: store.Details{First: token, Created: s.clock.Now()},
		}}
	}
	return sessions
}

// Over several chunks: latest first, then by token, descending.
func testAppOrder(s *suite) {
	sessions := s.fill("app", 650)
	s.create("other", store.New{ID: "other"})
	for i := range sessions {
		if i%5 == 0 {
			s.get("app", sessions[i].token)
			sessions[i].at = s.clock.Now()
			sessions[i].session.R++
		}
	}
	s.clock.Advance(3)
	s.wantList(s.ofApp("app", forever), inOrder(sessions, s.clock.Now()))
}

func testAppBoundary(s *suite) {
	s.create("app", store.New{ID: "a"})
	s.clock.Advance(1)
	s.create("app", store.New{ID: "b"})
	s.clock.Advance(69)
	s.create("app", store.New{ID: "c"})
	s.wantIDs(s.ofApp("app", 68), "c")
	s.wantIDs(s.ofApp("app", 69), "c", "b")
	s.wantIDs(s.ofApp("app", 70), "c", "b", "a")
	s.wantIDs(s.ofApp("app", store.MaxTTL), "c", "b", "a")
}

// An index may trail the last activity by up to a minute; the list does not.
func testAppListFollowsActivity(s *suite) {
	minute := s.clock.Now()/60*60 + 60
	s.clock.Set(minute)
	first := s.create("app", store.New{ID: "first"})
	second := s.create("app", store.New{ID: "second"})
	s.create("app", store.New{ID: "idle"})
	s.clock.Set(minute + 50)
	s.get("app", first)
	s.clock.Set(minute + 55)
	s.get("app", second)
	s.clock.Set(minute + 59)
	s.wantIDs(s.ofApp("app", 4), "second")
	s.wantIDs(s.ofApp("app", 10), "second", "first")
	s.get("app", first)
	s.wantIDs(s.ofApp("app", 10), "first", "second")
	s.wantIDs(s.ofApp("app", 60), "first", "second", "idle")
	s.clock.Set(minute + 65)
	s.wantIDs(s.ofApp("app", 10), "first", "second")
	s.clock.Set(minute + 69)
	s.wantIDs(s.ofApp("app", 10), "first")
}

func testListsAreNoActivity(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 100})
	s.clock.Advance(50)
	for range 3 {
		s.ofApp("app", forever)
		s.ofID("app", "u")
	}
	s.wantActivity("app", 49, 0)
	s.want(s.get("app", token), store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 100, Idle: 50})
}

// One user with several chunks of sessions, some over, some of them killed.
func testLongIDList(s *suite) {
	const n = 700
	want := map[string]bool{}
	for i := range n {
		ip := fmt.Sprint(i)
		ttl := int64(1000)
		if i%10 == 3 {
			ttl = 10
		}
		token := s.create("app", store.New{ID: "u", IP: ip, TTL: ttl})
		switch i % 10 {
		case 3:
		case 4:
			s.kill("app", token)
		default:
			want[ip] = true
		}
	}
	s.create("app", store.New{ID: "u2"})
	s.create("other", store.New{ID: "u"})
	s.clock.Advance(11)
	for _, got := range s.ofID("app", "u") {
		if !want[got.IP] {
			s.Errorf("session %s is listed twice, or not alive", got.IP)
		}
		delete(want, got.IP)
		s.want(got, store.Session{ID: "u", IP: got.IP, R: 1, W: 1, TTL: 1000, Idle: 11})
	}
	if len(want) > 0 {
		s.Errorf("%d sessions are not listed", len(want))
	}
}

// A chunk has a limit in bytes, too.
func testBigSessions(s *suite) {
	big := strings.Repeat("x", 50_000)
	var want []string
	for i := range 15 {
		id := string(rune('a' + i))
		s.create("app", store.New{ID: id, Data: data(`"big"`, `"`+big+id+`"`)})
		s.create("app", store.New{ID: "one", IP: id, Data: data(`"big"`, `"`+big+id+`"`)})
		want = append(want, id)
		s.clock.Advance(1)
	}
	slices.Reverse(want)
	var got []store.Session
	for _, session := range s.ofApp("app", forever) {
		if session.ID != "one" {
			got = append(got, session)
		}
	}
	s.wantIDs(got, want...)
	ofID := s.ofID("app", "one")
	if len(ofID) != len(want) {
		s.Errorf("the user has %d sessions, want %d", len(ofID), len(want))
	}
	seen := map[string]bool{}
	for i, session := range append(got, ofID...) {
		id := session.ID
		if id == "one" {
			id = session.IP
		}
		if session.D != `{"big":"`+big+id+`"}` || seen[session.ID+session.IP] {
			s.Errorf("entry %d, of %s: %d bytes, or twice", i, id, len(session.D))
		}
		seen[session.ID+session.IP] = true
	}
}

// A list whose every entry is over has no chunk, rather than empty ones.
func testEmptyLists(s *suite) {
	check := func() {
		s.Helper()
		for _, list := range []store.List{
			s.store.SessionsOfApp(s.ctx, "app", forever), s.store.SessionsOfID(s.ctx, "app", "u"),
		} {
			if chunk, err := list.Next(s.ctx); err != io.EOF {
				s.Errorf("%d sessions, %v, want EOF", len(chunk), err)
			}
		}
	}
	check()
	for range 450 {
		s.create("app", store.New{ID: "u", TTL: 10})
	}
	s.clock.Advance(11)
	check()
	s.wantWipe(450)
	check()
}

// Sessions that are there from the start to the end of a list are in it once, in
// the order of its start, whatever comes, goes and moves between its chunks.
func testListDuringChanges(s *suite) {
	const n = 650
	sessions := s.fill("app", n)
	var stay []listed
	for i, l := range sessions {
		if i%3 != 0 {
			stay = append(stay, l)
		}
	}
	var want []string
	stays := map[string]bool{}
	for _, session := range inOrder(stay, s.clock.Now()) {
		want = append(want, session.ID)
		stays[session.ID] = true
	}
	list := s.store.SessionsOfApp(s.ctx, "app", forever)
	var got []store.Session
	for step := 0; ; step++ {
		chunk, err := list.Next(s.ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			s.Fatal(err)
		}
		for _, session := range chunk {
			if stays[session.ID] {
				got = append(got, session)
			}
		}
		s.clock.Advance(2)
		for i, l := range sessions {
			switch {
			case i%3 == 0 && i%11 == step:
				s.kill("app", l.token)
			case i%3 != 0 && i%4 == step%4:
				s.get("app", l.token)
			}
		}
		s.create("app", store.New{ID: fmt.Sprint("new", step)})
	}
	s.wantIDs(got, want...)
}

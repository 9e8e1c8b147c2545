package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rest-sessions/store"
)

// pagesOf reads a list in pages, and calls between with their numbers after each
// but the last. Each page is within limit, and only the last may be empty.
func (s *suite) pagesOf(limit int, page func(cursor string) store.Page, between func(n int)) (all []store.Session) {
	s.Helper()
	cursor := ""
	for n := 1; ; n++ {
		if n > 2000 {
			s.Fatal("the list does not end")
		}
		p := page(cursor)
		sessions, err := readAll(s.ctx, p)
		if err != nil {
			s.Fatalf("page %d: %v", n, err)
		}
		if len(sessions) > limit {
			s.Fatalf("page %d holds %d sessions, over its limit of %d", n, len(sessions), limit)
		}
		all = append(all, sessions...)
		if cursor = p.Cursor(); cursor == "" {
			return all
		}
		if len(cursor) > store.MaxCursorLen || strings.Trim(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			s.Errorf("a cursor is %q", cursor)
		}
		between(n)
	}
}

func (s *suite) appInPages(dt int64, limit int, between func(n int)) []store.Session {
	s.Helper()
	return s.pagesOf(limit, func(cursor string) store.Page { return s.store.PageOfApp(s.ctx, "app", dt, limit, cursor) }, between)
}

func (s *suite) idInPages(id string, limit int, between func(n int)) []store.Session {
	s.Helper()
	return s.pagesOf(limit, func(cursor string) store.Page { return s.store.PageOfID(s.ctx, "app", id, limit, cursor) }, between)
}

func nothing(int) {}

// While nothing changes, the pages joined are the list, whatever their length; and
// there is no page more than needed.
func testPagesAreTheWhole(s *suite) {
	sessions := s.fill("app", 200)
	s.create("other", store.New{ID: "other"})
	for i := range sessions {
		if i%5 == 0 {
			s.get("app", sessions[i].token)
		}
	}
	for _, wait := range []int64{0, 70} {
		s.clock.Advance(wait)
		whole := s.ofApp("app", forever)
		for _, limit := range []int{13, 100, 199, 200, 201} {
			pages := 1
			got := s.appInPages(forever, limit, func(int) { pages++ })
			s.wantList(got, whole)
			if want := (len(whole) + limit - 1) / limit; pages != want {
				s.Errorf("%d pages of %d, want %d", pages, limit, want)
			}
		}
		s.wantList(s.appInPages(72, 1, nothing), s.ofApp("app", 72))
	}
	s.wantIDs(s.pagesOf(5, func(cursor string) store.Page { return s.store.PageOfApp(s.ctx, "none", forever, 5, cursor) }, nothing))
}

// A user's sessions are in the pages once each, also those that are active
// meanwhile, and whatever comes and goes.
func testPagesOfID(s *suite) {
	const n = 700
	tokens := map[string]string{} // by ip
	for i := range n {
		ip := fmt.Sprint(i)
		tokens[ip] = s.create("app", store.New{ID: "u", IP: ip})
	}
	s.create("app", store.New{ID: "u2", IP: "another user"})
	s.create("other", store.New{ID: "u", IP: "another app"})
	for _, limit := range []int{1000, n, n - 1, 33} {
		seen := map[string]int{}
		for _, session := range s.idInPages("u", limit, func(page int) {
			s.clock.Advance(1)
			for i := 0; limit == 33 && i < n; i++ {
				ip := fmt.Sprint(i)
				switch {
				case i%10 == 0 && i/10%21 == page:
					s.kill("app", tokens[ip])
				case i%4 == page%4 && i%10 != 0:
					s.get("app", tokens[ip])
				}
			}
			s.create("app", store.New{ID: "u", IP: "new"})
		}) {
			seen[session.IP]++
		}
		for i := range n {
			if times := seen[fmt.Sprint(i)]; times != 1 && (limit != 33 || i%10 != 0) {
				s.Errorf("in pages of %d, a session is listed %d times", limit, times)
			}
		}
		if seen["another user"]+seen["another app"] > 0 {
			s.Error("sessions of others are listed")
		}
	}
}

// Of sessions that stay, those that are not active are listed once, in order; those
// that are, at most once.
func testPagesDuringChanges(s *suite) {
	const n = 300
	for _, limit := range []int{10, 33, 120} {
		s.wantKillApp("app", int64(len(s.ofApp("app", forever))))
		sessions := s.fill("app", n)
		var still []listed
		kind := map[string]byte{} // still, active or killed
		for i, l := range sessions {
			kind[l.session.ID] = "sak"[i%3]
			if i%3 == 0 {
				still = append(still, l)
			}
		}
		var want, got []string
		for _, session := range inOrder(still, s.clock.Now()) {
			want = append(want, session.ID)
		}
		times := map[string]int{}
		for _, session := range s.appInPages(forever, limit, func(page int) {
			s.clock.Advance(int64(page % 3))
			for i, l := range sessions {
				switch {
				case i%3 == 2 && i%11 == page:
					s.kill("app", l.token)
				case i%3 == 1 && (i/3)%4 == page%4:
					s.get("app", l.token)
				}
			}
			s.create("app", store.New{ID: fmt.Sprint("new", page)})
		}) {
			id := session.ID
			times[id]++
			if kind[id] == 's' {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want) {
			s.Errorf("in pages of %d, those not active: listed %q\nwant %q", limit, got, want)
		}
		for id, k := range kind {
			if k == 'a' && times[id] > 1 {
				s.Errorf("in pages of %d, a session that was active is listed %d times", limit, times[id])
			}
		}
	}
}

// The clock stands: what is active after the first page has the last activity of those
// that were active before it.
func testPagesOfOneSecond(s *suite) {
	const n, limit = 60, 10
	var older, tokens []string
	for i := range n {
		older = append(older, s.create("app", store.New{ID: fmt.Sprint("older", i)}))
	}
	s.clock.Advance(100)
	for i := range n {
		id := fmt.Sprint("user", i/2)
		tokens = append(tokens, s.create("app", store.New{ID: id, IP: fmt.Sprint(i)}))
	}
	times := map[string]int{}
	for _, session := range s.appInPages(forever, limit, func(page int) {
		if page == 2 {
			for _, token := range older[:n/2] {
				s.get("app", token)
			}
		}
		if page > 2 {
			s.clock.Advance(1)
			s.get("app", tokens[0]) // user0 has a session that is active, and one that is not
		}
	}) {
		times[session.ID+" "+session.IP]++
	}
	for i := range n {
		if got := times[fmt.Sprintf("user%d %d", i/2, i)]; got > 1 || got < 1 && i != 0 {
			s.Errorf("session %d of the first second is listed %d times", i, got)
		}
		active := i < n/2
		if got := times[fmt.Sprintf("older%d 127.0.0.1", i)]; got > 1 || got < 1 && !active {
			s.Errorf("session %d, active after the first page: %v, is listed %d times", i, active, got)
		}
	}
}

// A list goes by the time at which it began: what was active lately enough then is
// listed, however long the client takes.
func testPagesTakeTime(s *suite) {
	sessions := s.fill("app", 50)
	whole := s.ofApp("app", 3)
	if len(whole) < 10 || len(whole) == len(sessions) {
		s.Fatalf("%d sessions of %d were active in 3 s", len(whole), len(sessions))
	}
	listed := s.appInPages(3, 3, func(int) { s.clock.Advance(7) })
	if len(listed) != len(whole) {
		s.Errorf("the pages hold %d sessions of %d", len(listed), len(whole))
	}
}

// A list ends although every session is active between any two of its pages.
func testPagesOfABusyApp(s *suite) {
	const n, limit = 90, 10
	sessions := s.fill("app", n)
	times := map[string]int{}
	for _, session := range s.appInPages(forever, limit, func(int) {
		s.clock.Advance(1)
		for _, l := range sessions {
			s.get("app", l.token)
		}
	}) {
		times[session.ID]++
	}
	for _, l := range sessions {
		if got := times[l.session.ID]; got > 1 {
			s.Errorf("%s is listed %d times", l.session.ID, got)
		}
	}
	if len(times) < limit {
		s.Errorf("%d sessions are listed", len(times))
	}
}

// A session keeps its place when it gets another token: a user's list has it once,
// an app's at most once, since it was active.
func testPagesDuringRotations(s *suite) {
	const n = 200
	tokens := map[string]string{} // by ip
	for i := range n {
		ip := fmt.Sprint(i)
		tokens[ip] = s.create("app", store.New{ID: "u", IP: ip})
	}
	s.clock.Advance(100)
	rotate := func(page int) {
		s.clock.Advance(1)
		for i := page % 3; i < n; i += 3 {
			ip := fmt.Sprint(i)
			fresh, _, err := s.store.Rotate(s.ctx, "app", tokens[ip], store.NewTokenLike(tokens[ip]), int64(i%2)*10)
			if err != nil {
				s.Fatal(err)
			}
			tokens[ip] = fresh
		}
	}
	for name, c := range map[string]struct {
		least int
		list  []store.Session
	}{
		"the user": {1, s.idInPages("u", 17, rotate)},
		"the app":  {0, s.appInPages(forever, 17, rotate)},
	} {
		times := map[string]int{}
		for _, session := range c.list {
			times[session.IP]++
		}
		for ip := range tokens {
			if got := times[ip]; got < c.least || got > 1 {
				s.Errorf("%s has session %s %d times", name, ip, got)
			}
		}
	}
}

// What is over is in no page, and a page that has only that is not the end.
func testPagesLeaveOutWhatIsOver(s *suite) {
	for i := range 30 {
		ttl := int64(1000)
		if i%2 == 0 {
			ttl = 10
		}
		s.create("app", store.New{ID: "u", IP: fmt.Sprint(i), TTL: ttl})
	}
	s.clock.Advance(11)
	for _, limit := range []int{1, 4, 50} {
		if got := len(s.appInPages(forever, limit, nothing)); got != 15 {
			s.Errorf("the app has %d sessions in pages of %d, want 15", got, limit)
		}
		if got := len(s.idInPages("u", limit, nothing)); got != 15 {
			s.Errorf("the user has %d sessions in pages of %d, want 15", got, limit)
		}
	}
}

func testBadCursors(s *suite) {
	for range 5 {
		s.create("app", store.New{ID: "u"})
		s.create("two", store.New{ID: "u"})
	}
	cursor := func(p store.Page) string {
		s.Helper()
		if _, err := readAll(s.ctx, p); err != nil || p.Cursor() == "" {
			s.Fatalf("a page of a longer list: cursor %q, %v", p.Cursor(), err)
		}
		return p.Cursor()
	}
	ofApp := cursor(s.store.PageOfApp(s.ctx, "app", forever, 2, ""))
	ofID := cursor(s.store.PageOfID(s.ctx, "app", "u", 2, ""))
	for _, c := range []struct{ app, id string }{
		{"x", "x"}, {ofApp[1:], ofID[1:]}, {ofApp + "A", ofID + "A"}, {ofID, ofApp}, {strings.Repeat("A", 10_000), "é"},
		{cursor(s.store.PageOfApp(s.ctx, "two", forever, 2, "")), cursor(s.store.PageOfID(s.ctx, "two", "u", 2, ""))},
	} {
		for name, p := range map[string]store.Page{
			"PageOfApp": s.store.PageOfApp(s.ctx, "app", forever, 2, c.app),
			"PageOfID":  s.store.PageOfID(s.ctx, "app", "u", 2, c.id),
		} {
			if chunk, err := p.Next(s.ctx); !errors.Is(err, store.ErrCursor) {
				s.Errorf("%s after %+.60q: %d sessions, %v, want ErrCursor", name, c, len(chunk), err)
			}
		}
	}
}

// Readers at work: no session that nobody reads is left out, and none is there twice.
func testPagesAgainstTouches(s *suite) {
	const n, limit = 400, 23
	sessions := s.fill("app", n)
	stop := s.background(3, func(worker, i int) {
		if _, err := s.store.Get(s.ctx, "app", sessions[(2*(3*i+worker))%n].token); err != nil {
			s.Errorf("Get: %v", err)
		}
		if i%40 == 0 && i < 10_000 {
			s.clock.Advance(1)
		}
	})
	defer stop()
	for range 3 {
		times := map[string]int{}
		for _, session := range s.appInPages(forever, limit, nothing) {
			times[session.ID]++
		}
		for i, l := range sessions {
			if got := times[l.session.ID]; got > 1 || got < 1 && i%2 == 1 {
				s.Errorf("%s, read meanwhile: %v, is listed %d times", l.session.ID, i%2 == 0, got)
			}
		}
	}
}

package storetest

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

// A rotated session is what it was, but for its token and its idle time.
func testRotate(s *suite) {
	token := s.create("app", store.New{ID: "a:b", IP: "1.2.3.4", TTL: 300, Data: data(`"a"`, `1`)})
	limited := s.create("app", store.New{ID: "l", TTL: 300, MaxAge: 400, NoResave: true})
	s.get("app", token)
	want := s.set("app", token, data(`"b"`, `2.0`))
	want.Details = store.Details{}
	s.clock.Advance(100)
	fresh, other := s.rotate("app", token, 0), s.rotate("app", limited, 0)
	aged := s.rotate("app", s.create("app", store.New{ID: "l", TTL: 1000, MaxAge: 300}), 10)
	s.gone("app", token)
	s.gone("app", limited)
	s.want(s.get("app", fresh), want)
	s.want(s.get("app", other), store.Session{ID: "l", IP: "127.0.0.1", R: 1, W: 1, TTL: 200, NoResave: true})
	s.gone("other", fresh)
	want.R++
	s.wantActivity("app", 10, 2)
	for range 3 { // in the same second as well
		fresh = s.rotate("app", fresh, 0)
	}
	s.want(s.get("app", fresh), want)
	s.clock.Advance(300)
	want.R, want.Idle = want.R+1, 300
	s.want(s.get("app", fresh), want)
	s.gone("app", other)
	s.get("app", aged)
	s.clock.Advance(1)
	s.gone("app", aged)
	s.clock.Advance(-1)
	s.clock.Advance(301)
	s.gone("app", fresh)
	s.wantKillApp("app", 3)
}

// Within the grace the old token is as good as the new one.
func testRotateGrace(s *suite) {
	for _, grace := range []int64{1, store.DefaultGrace, store.MaxGrace} {
		old := s.create("app", store.New{ID: "u", TTL: 1000})
		fresh := s.rotate("app", old, grace)
		want := store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 1000}
		s.want(s.get("app", old), want)
		want.R++
		s.gone("other", old)
		s.clock.Advance(grace)
		want.W, want.D, want.Idle = 2, `{"a":1}`, grace
		s.want(s.set("app", old, data(`"a"`, `1`)), want)
		want.Idle = 0
		s.want(s.get("app", fresh), want)
		want.R++
		s.rotateOld("app", old, fresh)
		s.want(s.get("app", old), want)
		want.R++
		s.clock.Advance(1)
		s.gone("app", old)
		want.Idle = 1
		s.want(s.get("app", fresh), want)

		fresh = s.rotate("app", fresh, grace)
		s.clock.Advance(grace)
		s.gone("app", old)
		if !s.kill("app", fresh) {
			s.Error("Kill found no session")
		}
		s.gone("app", fresh)
		s.gone("app", old)
		s.wantKillApp("app", 0)
	}
	s.wantActivity("app", forever, 0)
}

// An old token that is asked to rotate restarts the idle time as any.
func testRotateOldTouches(s *suite) {
	old := s.create("app", store.New{ID: "u", TTL: 20})
	fresh := s.rotate("app", old, 60)
	for range 3 {
		s.clock.Advance(20)
		s.rotateOld("app", old, fresh)
	}
	s.wantActivity("app", 10, 1)
	s.clock.Advance(1)
	s.gone("app", old)
	s.get("app", fresh)
}

// A session that ended does so for its old tokens as well, and nothing brings it
// back.
func testRotateEnds(s *suite) {
	for name, end := range map[string]func(old, fresh string){
		"Kill":             func(_, fresh string) { s.kill("app", fresh) },
		"Kill of the old":  func(old, _ string) { s.kill("app", old) },
		"KillID":           func(string, string) { s.wantKillID("app", "u", 1) },
		"KillApp":          func(string, string) { s.wantKillApp("app", 1) },
		"the max age":      func(string, string) { s.clock.Advance(41) },
		"the ttl":          func(string, string) { s.clock.Advance(31) },
		"the wiper":        func(string, string) { s.clock.Advance(41); s.wantWipe(1) },
		"a limit":          func(string, string) { s.create("app", store.New{ID: "u", TTL: 10, MaxSessions: 1}) },
		"another rotation": func(_, fresh string) { s.kill("app", s.rotate("app", fresh, 0)) },
	} {
		old := s.create("app", store.New{ID: "u", TTL: 30, MaxAge: 40})
		fresh := s.rotate("app", old, 60)
		s.get("app", old)
		end(old, fresh)
		for range 2 {
			for _, token := range []string{old, fresh} {
				s.gone("app", token)
				if s.Failed() {
					s.Fatalf("ended by %s", name)
				}
			}
		}
		s.store.KillApp(s.ctx, "app")
		s.clock.Advance(forever)
		s.wantWipe(0)
		s.gone("app", old)
	}
}

// Each old token answers until its own grace is over, however often the session is
// rotated meanwhile.
func testRotateChain(s *suite) {
	type old struct {
		token string
		until int64
	}
	token := s.create("app", store.New{ID: "u", TTL: 1000})
	var olds []old
	for i := range int64(40) {
		grace := []int64{60, 1, 0, 20, 5}[i%5]
		until := s.clock.Now() + grace
		if grace == 0 {
			until--
		}
		olds = append(olds, old{token, until})
		token = s.rotate("app", token, grace)
		s.clock.Advance(i % 3)
		for _, o := range olds {
			if o.until < s.clock.Now() {
				s.gone("app", o.token)
				continue
			}
			if got := s.get("app", o.token); got.ID != "u" {
				s.Errorf("an old token answers %+v", got)
			}
			s.set("app", o.token, data(`"a"`, `1`))
			s.rotateOld("app", o.token, token)
		}
		s.wantIDs(s.ofID("app", "u"), "u")
		s.wantIDs(s.ofApp("app", forever), "u")
	}
	s.get("app", token)
	if !s.kill("app", olds[35].token) { // of a grace of 60 s
		s.Error("Kill found no session")
	}
	s.gone("app", token)
	s.wantKillApp("app", 0)
}

// A rotated session moves in no list, counts once, and ends when it would have.
func testRotateIndexes(s *suite) {
	var want []string
	tokens := map[string]string{}
	for i := range 300 {
		id := fmt.Sprint("user", i)
		tokens[id] = s.create("app", store.New{ID: id, TTL: 600 + int64(i%3)*600, NoResave: i%4 == 0})
	}
	s.clock.Advance(100)
	for i := range 300 {
		id := fmt.Sprint("user", i)
		if i%2 == 0 {
			s.clock.Advance(1)
			tokens[id] = s.rotate("app", tokens[id], int64(i%61))
			want = append([]string{id}, want...)
		}
	}
	s.wantIDs(s.ofApp("app", 149), want...)
	s.wantActivity("app", 149, 150)
	s.wantActivity("app", forever, 300)
	if n := len(s.ofApp("app", forever)); n != 300 {
		s.Errorf("listed %d sessions, want 300", n)
	}
	for id := range tokens {
		s.wantIDs(s.ofID("app", id), id)
	}
	s.wantWipe(0)
	s.clock.Advance(350) // 600 s after the creation
	s.wantWipe(0)
	s.clock.Advance(1) // the shortest of those without resave are over
	s.wantWipe(25)
	s.clock.Advance(forever)
	s.wantWipe(275)
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
}

// A list that is under way holds each session once, whatever token it gets meanwhile.
func testListDuringRotations(s *suite) {
	const n = 500
	var tokens []string
	for i := range n {
		tokens = append(tokens, s.create("app", store.New{ID: "u", IP: fmt.Sprint(i)}))
	}
	for name, list := range map[string]func() store.List{
		"SessionsOfApp": func() store.List { return s.store.SessionsOfApp(s.ctx, "app", forever) },
		"SessionsOfID":  func() store.List { return s.store.SessionsOfID(s.ctx, "app", "u") },
	} {
		times := map[string]int{}
		l := list()
		chunk, err := l.Next(s.ctx)
		for round := 0; err == nil; round++ {
			for _, session := range chunk {
				times[session.IP]++
			}
			if round < 2 {
				s.clock.Advance(int64(round))
				for i, token := range tokens {
					tokens[i] = s.rotate("app", token, int64(i%2))
				}
			}
			chunk, err = l.Next(s.ctx)
		}
		if err != io.EOF {
			s.Fatalf("%s: %v", name, err)
		}
		for i := range n {
			if times[fmt.Sprint(i)] != 1 {
				s.Errorf("%s lists session %d %d times", name, i, times[fmt.Sprint(i)])
			}
		}
	}
}

// Of those who rotate a session at once one makes the token, and all are told it;
// no write and no read is lost on the way.
func testRotateAtOnce(s *suite) {
	const rounds, callers = 40, 4
	token := s.create("app", store.New{ID: "u", TTL: 1000})
	for round := range rounds {
		var answers [callers]string
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				var err error
				answers[c], _, err = s.store.Rotate(s.ctx, "app", token, store.NewTokenLike(token), 10)
				if err != nil {
					s.Errorf("Rotate: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := s.store.Set(s.ctx, "app", token, data(fmt.Sprintf(`"k%d"`, c), fmt.Sprint(round))); err != nil {
					s.Errorf("Set: %v", err)
				}
				if _, err := s.store.Get(s.ctx, "app", token); err != nil {
					s.Errorf("Get: %v", err)
				}
			})
		}
		wg.Wait()
		for _, answer := range answers {
			if answer != answers[0] || answer == token {
				s.Fatalf("round %d: told %q", round, answers)
			}
		}
		token = answers[0]
	}
	got := s.get("app", token)
	if got.W != 1+rounds*callers || got.R != 1+rounds*callers {
		s.Errorf("w %d, r %d, want %d", got.W, got.R, 1+rounds*callers)
	}
	for c := range callers {
		if v := fieldOf(got.D, fmt.Sprintf(`"k%d"`, c)); v != fmt.Sprint(rounds-1) {
			s.Errorf("caller %d left %s", c, v)
		}
	}
	s.wantIDs(s.ofID("app", "u"), "u")
	s.wantKillApp("app", 1)
}

// A kill that has returned stays, whoever rotates and writes.
func testRotateAgainstKill(s *suite) {
	for range 100 {
		old := s.create("app", store.New{ID: "u", TTL: 100})
		var killed atomic.Bool
		var fresh atomic.Value
		var wg sync.WaitGroup
		wg.Go(func() {
			got, _, err := s.store.Rotate(s.ctx, "app", old, store.NewTokenLike(old), 10)
			if err == nil {
				fresh.Store(got)
			} else if !errors.Is(err, store.ErrNotFound) {
				s.Errorf("Rotate: %v", err)
			}
		})
		wg.Go(func() {
			if ok, err := s.store.Kill(s.ctx, "app", old); !ok || err != nil {
				s.Errorf("Kill: %v, %v", ok, err)
			}
			killed.Store(true)
		})
		wg.Go(func() {
			after := killed.Load()
			if _, err := s.store.Set(s.ctx, "app", old, data(`"a"`, `1`)); err == nil && after {
				s.Error("Set after the kill")
			}
		})
		wg.Wait()
		s.gone("app", old)
		if token, ok := fresh.Load().(string); ok {
			s.gone("app", token)
		}
	}
	s.wantIDs(s.ofApp("app", forever))
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
}

// Sessions that are rotated while they are listed are in the list once.
func testListAgainstRotations(s *suite) {
	const apps, ofUser = 300, 200
	var tokens []string
	for i := range apps {
		tokens = append(tokens, s.create("app", store.New{ID: fmt.Sprint("user", i)}))
	}
	for range ofUser {
		tokens = append(tokens, s.create("app", store.New{ID: "u"}))
	}
	stop := s.background(2, func(worker, i int) {
		n := (2*i*7 + worker) % len(tokens) // of this worker alone: their number is even
		fresh, _, err := s.store.Rotate(s.ctx, "app", tokens[n], store.NewTokenLike(tokens[n]), int64(i%2))
		if err != nil {
			s.Errorf("Rotate: %v", err)
			return
		}
		tokens[n] = fresh
		if i%50 == 0 && i < 10_000 {
			s.clock.Advance(1)
		}
	})
	defer stop()
	for range 5 {
		times := map[string]int{}
		for _, session := range s.ofApp("app", forever) {
			times[session.ID]++
		}
		for i := range apps {
			if id := fmt.Sprint("user", i); times[id] != 1 {
				s.Errorf("%s is listed %d times", id, times[id])
			}
		}
		if times["u"] != ofUser {
			s.Errorf("the user is listed %d times, want %d", times["u"], ofUser)
		}
		if n := len(s.ofID("app", "u")); n != ofUser {
			s.Errorf("the user has %d sessions, want %d", n, ofUser)
		}
	}
}

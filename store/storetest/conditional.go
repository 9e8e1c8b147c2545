package storetest

import (
	"errors"
	"fmt"
	"sync"

	"rest-sessions/store"
)

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

package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

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

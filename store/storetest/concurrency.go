package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

// Of changes at once to different keys of one session none is lost.
func testConcurrentSets(s *suite) {
	const writers, each = 50, 100
	token := s.create("app", store.New{ID: "u"})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			key := fmt.Sprintf(`"key%d"`, w)
			for i := range each {
				got, err := s.store.Set(s.ctx, "app", token, data(key, fmt.Sprint(i)))
				if err != nil {
					s.Errorf("Set: %v", err)
					return
				}
				if i%25 == 0 && fieldOf(got.D, key) != fmt.Sprint(i) {
					s.Errorf("Set of %s to %d answers %s", key, i, got.D)
				}
			}
		})
	}
	wg.Wait()
	got := s.get("app", token)
	if got.W != 1+writers*each {
		s.Errorf("w %d, want %d", got.W, 1+writers*each)
	}
	for w := range writers {
		key := fmt.Sprintf(`"key%d"`, w)
		if v := fieldOf(got.D, key); v != fmt.Sprint(each-1) {
			s.Errorf("%s holds %q, want %d", key, v, each-1)
		}
	}
}

// fieldOf returns the raw value of a key in a flat object of numbers.
func fieldOf(d, key string) string {
	_, value, _ := strings.Cut(d, key+":")
	return value[:max(0, strings.IndexAny(value, ",}"))]
}

// RepeatsR is a store that may answer reads of one moment with the same R, each of which it
// counts.
type RepeatsR interface{ RepeatsR() }

func testConcurrentGets(s *suite) {
	const readers, each = 40, 100
	token := s.create("app", store.New{ID: "u", TTL: 100})
	var wg sync.WaitGroup
	var seen [1 + readers*each]atomic.Bool
	_, repeats := s.store.(RepeatsR)
	for range readers {
		wg.Go(func() {
			for range each {
				got, err := s.store.Get(s.ctx, "app", token)
				if err != nil || got.R < 1 || got.R > readers*each {
					s.Errorf("Get: r %d, %v", got.R, err)
					return
				}
				if seen[got.R].Swap(true) && !repeats {
					s.Errorf("two reads were answered r %d", got.R)
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			s.clock.Advance(1)
			s.store.Ping(s.ctx)
		}
	})
	wg.Wait()
	if got := s.get("app", token); got.R != 1+readers*each {
		s.Errorf("r %d, want %d", got.R, 1+readers*each)
	}
}

// Each session is ended, and counted, by one of those who end it.
func testConcurrentKills(s *suite) {
	const n = 200
	var tokens []string
	for range n {
		tokens = append(tokens, s.create("app", store.New{ID: "u"}))
	}
	var killed atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for _, token := range tokens {
				ok, err := s.store.Kill(s.ctx, "app", token)
				if err != nil {
					s.Errorf("Kill: %v", err)
				}
				if ok {
					killed.Add(1)
				}
			}
		})
	}
	for _, kill := range []func() (int64, error){
		func() (int64, error) { return s.store.KillID(s.ctx, "app", "u", "") },
		func() (int64, error) { return s.store.KillApp(s.ctx, "app") },
	} {
		wg.Go(func() {
			n, err := kill()
			if err != nil {
				s.Errorf("KillID or KillApp: %v", err)
			}
			killed.Add(n)
		})
	}
	wg.Wait()
	if killed.Load() != n {
		s.Errorf("%d sessions were counted as killed, of %d", killed.Load(), n)
	}
	s.wantActivity("app", forever, 0)
}

// After a kill has returned, no set succeeds, and none of those on their way
// brings the session back.
func testSetAgainstKill(s *suite) {
	const rounds, writers = 200, 3
	for round := range rounds {
		token := s.create("app", store.New{ID: "u", TTL: 100})
		var killed atomic.Bool
		underWay := make(chan struct{})
		begin := sync.OnceFunc(func() { close(underWay) })
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				defer begin()
				for i := 0; ; i++ {
					if i == round%5 {
						begin()
					}
					after := killed.Load()
					_, err := s.store.Set(s.ctx, "app", token, data(fmt.Sprintf(`"k%d"`, w), fmt.Sprint(i)))
					if errors.Is(err, store.ErrNotFound) {
						return
					}
					if err != nil || after {
						s.Errorf("round %d: Set, begun after the kill %v: %v", round, after, err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			<-underWay
			ok, err := s.store.Kill(s.ctx, "app", token)
			killed.Store(true)
			if !ok || err != nil {
				s.Errorf("Kill: %v, %v", ok, err)
			}
		})
		wg.Wait()
		if _, err := s.store.Get(s.ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("round %d: Get after the kill: %v", round, err)
		}
	}
	s.wantIDs(s.ofID("app", "u"))
	s.wantIDs(s.ofApp("app", forever))
	s.wantActivity("app", forever, 0)
	s.wantKillApp("app", 0)
	s.clock.Advance(forever)
	s.wantWipe(0)
}

// background repeats work in so many goroutines until the returned function is
// called, which waits for them. Defer it: they must not outlive the test.
func (s *suite) background(workers int, work func(worker, i int)) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					work(w, i)
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// What is there when KillApp starts is gone when it ends; what is made meanwhile
// may be either.
func testKillAppAgainstTraffic(s *suite) {
	for range 5 {
		sessions := s.fill("app", 300)
		var created atomic.Int64
		stop := s.background(3, func(worker, i int) {
			if worker == 0 {
				n := store.New{ID: fmt.Sprintf("user:%d", i), IP: "::1", TTL: 100_000}
				if created.Add(1) > 200 {
					return
				}
				if _, err := s.store.Create(s.ctx, "app", store.NewToken(n.ID), n); err != nil {
					s.Errorf("Create: %v", err)
				}
				return
			}
			token := sessions[(2*i+worker)%len(sessions)].token
			if _, err := s.store.Get(s.ctx, "app", token); err != nil && !errors.Is(err, store.ErrNotFound) {
				s.Errorf("Get: %v", err)
			}
			if i%20 == 0 && i < 2000 {
				s.clock.Advance(1)
			}
		})
		n, err := s.store.KillApp(s.ctx, "app")
		stop()
		if n < int64(len(sessions)) || err != nil {
			s.Errorf("KillApp: %d, %v, of at least %d", n, err, len(sessions))
		}
		for _, l := range sessions {
			if _, err := s.store.Get(s.ctx, "app", l.token); !errors.Is(err, store.ErrNotFound) {
				s.Fatalf("Get after KillApp: %v", err)
			}
		}
		left := int64(len(s.ofApp("app", forever)))
		s.wantKillApp("app", left)
		s.wantActivity("app", forever, 0)
	}
}

// A wiper and the touches that keep sessions alive do not hurt each other.
func testWipeAgainstTouches(s *suite) {
	const n = 60
	var tokens []string
	for i := range n {
		tokens = append(tokens, s.create("app", store.New{ID: fmt.Sprint(i), TTL: 10}))
		s.create("over", store.New{ID: fmt.Sprint(i), TTL: 10})
	}
	var wiped atomic.Int64
	stop := s.background(2, func(int, int) {
		n, err := s.store.Wipe(s.ctx)
		if err != nil {
			s.Errorf("Wipe: %v", err)
		}
		wiped.Add(n)
	})
	defer stop()
	for round := range 10 {
		s.clock.Advance(10) // nobody is late by a second
		for _, token := range tokens {
			if got := s.get("app", token); got.Idle != 10 || got.R != int64(1+round) {
				s.Errorf("round %d: %+v", round, got)
			}
		}
	}
	stop()
	more, err := s.store.Wipe(s.ctx)
	s.number("all wipes", wiped.Load()+more, err, n)
	s.wantKillApp("app", n)
}

func testListAgainstTouches(s *suite) {
	sessions := s.fill("app", 500)
	const ofUser = 200
	for i := range ofUser {
		s.create("app", store.New{ID: "u", IP: fmt.Sprint(i)})
	}
	stop := s.background(2, func(worker, i int) {
		if _, err := s.store.Get(s.ctx, "app", sessions[(2*i*7+worker)%len(sessions)].token); err != nil {
			s.Errorf("Get: %v", err)
		}
		n := store.New{ID: "guest", IP: "::1", TTL: 1000}
		token := store.NewToken(n.ID)
		if _, err := s.store.Create(s.ctx, "app", token, n); err != nil {
			s.Errorf("Create: %v", err)
		}
		if ok, err := s.store.Kill(s.ctx, "app", token); !ok || err != nil {
			s.Errorf("Kill: %v, %v", ok, err)
		}
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
		for _, l := range sessions {
			if times[l.session.ID] != 1 {
				s.Errorf("%s is listed %d times", l.session.ID, times[l.session.ID])
			}
		}
		if times["u"] != ofUser {
			s.Errorf("the user is listed %d times, want %d", times["u"], ofUser)
		}
		if list := s.ofID("app", "u"); len(list) != ofUser {
			s.Errorf("the user has %d sessions, want %d", len(list), ofUser)
		}
	}
}

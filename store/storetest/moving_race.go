package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"rest-sessions/store"
)

// Of those who move a session at once one does, and it is there once.
func testMoveAtOnce(s *suite) {
	const rounds, movers = 60, 4
	for range rounds {
		old := s.create("app", store.New{ID: "u", Data: data(`"a"`, `1`)})
		by := [movers]string{old, s.rotate("app", old, 10), old, old}
		var moved [movers]string
		var wg sync.WaitGroup
		for i := range movers {
			wg.Go(func() {
				id := fmt.Sprint("v", i/2)
				fresh := store.NewToken(id)
				_, err := s.store.Move(s.ctx, "app", by[i], fresh, store.Move{ID: id})
				if err == nil {
					moved[i] = fresh
				} else if !errors.Is(err, store.ErrNotFound) {
					s.Errorf("Move: %v", err)
				}
			})
		}
		wg.Wait()
		won := 0
		for i, token := range moved {
			if token != "" {
				won++
				if got := s.peek("app", token); got.ID != fmt.Sprint("v", i/2) || got.First != old || got.D != `{"a":1}` {
					s.Errorf("moved: %+v", got)
				}
			}
		}
		if list := s.ofApp("app", forever); won != 1 || len(list) != 1 {
			s.Fatalf("%d moved it, and %d sessions are there: %+v", won, len(list), list)
		}
		s.gone("app", old)
		s.wantIDs(s.ofID("app", "u"))
		s.wantActivity("app", forever, 1)
		s.wantKillApp("app", 1)
	}
}

// No write is lost that was answered before the move was, and none is answered by the
// old token afterwards. An engine that copies the session may lose reads meanwhile.
func testMoveAgainstUpdates(s *suite) {
	const rounds, writers, readers = 30, 3, 2
	for round := range rounds {
		old := s.create("app", store.New{ID: "u", TTL: 1000})
		var moved atomic.Bool
		var written [writers]int64
		var read atomic.Int64
		var wg sync.WaitGroup
		underWay := make(chan struct{})
		begin := sync.OnceFunc(func() { close(underWay) })
		until := func(call func(i int64) error) {
			defer begin()
			for i := int64(1); ; i++ {
				if i > int64(round%5) {
					begin()
				}
				after := moved.Load()
				err := call(i)
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err != nil || after {
					s.Errorf("an update, begun after the move %v: %v", after, err)
					return
				}
			}
		}
		for w := range writers {
			wg.Go(func() {
				until(func(i int64) error {
					_, err := s.store.Set(s.ctx, "app", old, data(fmt.Sprintf(`"k%d"`, w), fmt.Sprint(i)))
					if err == nil {
						written[w] = i
					}
					return err
				})
			})
		}
		for range readers {
			wg.Go(func() {
				until(func(int64) error {
					_, err := s.store.Get(s.ctx, "app", old)
					if err == nil {
						read.Add(1)
					}
					return err
				})
			})
		}
		<-underWay
		fresh := store.NewToken("v")
		_, err := s.store.Move(s.ctx, "app", old, fresh, store.Move{ID: "v"})
		for try := 0; errors.Is(err, store.ErrUnavailable) && try < 100; try++ { // changed too fast
			_, err = s.store.Move(s.ctx, "app", old, fresh, store.Move{ID: "v"})
		}
		moved.Store(true)
		if err != nil {
			s.kill("app", old)
		}
		wg.Wait()
		if err != nil {
			s.Fatalf("Move: %v", err)
		}
		got := s.peek("app", fresh)
		all := int64(0)
		for w, n := range written {
			all += n
			if v := fieldOf(got.D, fmt.Sprintf(`"k%d"`, w)); n > 0 && v != fmt.Sprint(n) {
				s.Errorf("writer %d left %q, want %d", w, v, n)
			}
		}
		if got.W != 1+all || got.R > 1+read.Load() {
			s.Errorf("w %d, r %d, want %d, at most %d", got.W, got.R, 1+all, 1+read.Load())
		}
		s.gone("app", old)
		s.wantKillApp("app", 1)
	}
	s.wantActivity("app", forever, 0)
}

// A session is either moved or ended.
func testMoveAgainstKill(s *suite) {
	for round := range 100 {
		old := s.create("app", store.New{ID: "u", TTL: 100})
		fresh := store.NewToken("v")
		var killed, moved atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.store.Move(s.ctx, "app", old, fresh, store.Move{ID: "v"})
			moved.Store(err == nil)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				s.Errorf("Move: %v", err)
			}
		})
		wg.Go(func() {
			var ok bool
			var err error
			if round%2 == 0 {
				ok, err = s.store.Kill(s.ctx, "app", old)
			} else {
				ok, err = s.store.KillHandle(s.ctx, "app", "u", store.Handle(old))
			}
			killed.Store(ok)
			if err != nil {
				s.Errorf("Kill or KillHandle: %v", err)
			}
		})
		wg.Wait()
		if killed.Load() == moved.Load() {
			s.Fatalf("round %d: killed %v, moved %v", round, killed.Load(), moved.Load())
		}
		s.gone("app", old)
		if moved.Load() {
			s.get("app", fresh)
			s.wantKillApp("app", 1)
		}
		s.gone("app", fresh)
		s.wantActivity("app", forever, 0)
		s.wantKillApp("app", 0)
	}
}

// A move finds a session by a token in its grace, and ends a token that it is given
// meanwhile.
func testMoveAgainstRotate(s *suite) {
	for range 100 {
		old := s.create("app", store.New{ID: "u", TTL: 100})
		fresh := store.NewToken("v")
		var rotated atomic.Value
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.store.Move(s.ctx, "app", old, fresh, store.Move{ID: "v"}); err != nil {
				s.Errorf("Move: %v", err)
			}
		})
		wg.Go(func() {
			got, _, err := s.store.Rotate(s.ctx, "app", old, store.NewTokenLike(old), 10)
			if err == nil {
				rotated.Store(got)
			} else if !errors.Is(err, store.ErrNotFound) {
				s.Errorf("Rotate: %v", err)
			}
		})
		wg.Wait()
		if s.Failed() {
			return
		}
		s.gone("app", old)
		if token, ok := rotated.Load().(string); ok {
			s.gone("app", token)
		}
		if got := s.peek("app", fresh); got.ID != "v" || got.First != old {
			s.Errorf("moved: %+v", got)
		}
		s.wantIDs(s.ofApp("app", forever), "v")
		s.wantKillApp("app", 1)
	}
}

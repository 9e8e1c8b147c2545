package redis

import (
	"context"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestNearLateInFlight has late reads in flight, taken by a flush, a get or a touch=false,
// when another call of their server needs them counted. That call once overtook them, and
// its r lacked them.
func TestNearLateInFlight(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	s := openBehind(t, proxy)
	ctx := context.Background()
	for taker, take := range map[string]func(token string){
		"flush": func(string) { s.near.Flush() },
		"get": func(token string) {
			s.near.Drop("app", token)
			s.Get(ctx, "app", token)
		},
		"touch=false": func(token string) { s.Peek(ctx, "app", token) },
	} {
		for name, call := range map[string]func(token string) (int64, error){
			"set": func(token string) (int64, error) {
				session, err := s.Set(ctx, "app", token, number(1))
				return session.R, err
			},
			"touch": func(token string) (int64, error) {
				session, err := s.Touch(ctx, "app", token, 0, 0)
				return session.R, err
			},
			"touch=false": func(token string) (int64, error) {
				session, err := s.Peek(ctx, "app", token)
				return session.R, err
			},
			"rotate": func(token string) (int64, error) {
				fresh := store.NewTokenLike(token)
				if _, _, err := s.Rotate(ctx, "app", token, fresh, 0); err != nil {
					return 0, err
				}
				session, err := s.Get(ctx, "app", fresh)
				return session.R, err
			},
		} {
			token := create(t, s, "app", "user", 1000)
			want := readNear(t, s, token).R + 1
			if taker == "get" {
				want++
			}
			held := proxy.heldLate.Load()
			proxy.holdsLate.Store(true)
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				take(token)
			}()
			eventually(t, "late reads are in flight", func() bool { return proxy.heldLate.Load() > held })
			called := make(chan struct{})
			var r int64
			var err error
			go func() {
				defer close(called)
				r, err = call(token)
			}()
			select {
			case <-called:
			case <-time.After(50 * time.Millisecond):
			}
			proxy.holdsLate.Store(false)
			<-called
			<-taken
			if err != nil || r != want {
				t.Errorf("%s while a %s is in flight: r is %d, not %d (%v)", name, taker, r, want, err)
			}
		}
	}
}

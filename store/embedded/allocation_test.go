//go:build !race

package embedded

import (
	"context"
	"testing"

	"rest-sessions/store"
)

func TestGetDoesNotAllocate(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		s, clock := newTestStore()
		getDoesNotAllocate(t, s, clock)
	})
	t.Run("disk", func(t *testing.T) {
		s, clock := openDir(t, privateDir(t))
		defer s.Close()
		// The journal allocates some, twice a second whatever is read.
		getDoesNotAllocate(t, s, clock)
	})
}

func getDoesNotAllocate(t *testing.T, s *Store, clock *testClock) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := store.Data{{Key: `"a"`, Value: "1"}}
	token := create(t, s, "app", store.New{ID: "user", Data: d})
	other := store.NewToken("user")
	old := create(t, s, "app", store.New{ID: "user", MaxAge: 1_000_000})
	fresh := store.NewTokenLike(old)
	if _, _, err := s.Rotate(ctx, "app", old, fresh, 1_000_000); err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(1000, func() {
		clock.now++
		for _, token := range []string{old, fresh} {
			if _, err := s.Get(ctx, "app", token); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
		if got, err := s.GetWith(ctx, "app", token); err != nil || got.First != token {
			t.Fatal(got, err)
		}
		if got, err := s.GetWith(ctx, "app", fresh); err != nil || got.First != old {
			t.Fatal(got, err)
		}
		if _, err := s.Peek(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, "app", other); err != store.ErrNotFound {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

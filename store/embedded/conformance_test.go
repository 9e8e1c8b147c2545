package embedded

import (
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store {
		return New(Options{Now: clock.Now})
	})
}

// A hash that says nothing must cost time only.
func TestConformanceColliding(t *testing.T) {
	skipShort(t)
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store {
		s := New(Options{Now: clock.Now})
		s.hashMask = 1
		return s
	})
}

func TestConformanceOnDisk(t *testing.T) {
	skipShort(t)
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store {
		s, err := Open(Options{Now: clock.Now, Dir: privateDir(t), NoSync: true, Logf: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// skipShort leaves the suite to one form of the engine under -short.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short")
	}
}

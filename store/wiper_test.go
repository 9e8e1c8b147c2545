package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wiped notes the time of each wipe, and fails them.
type wiped struct {
	Store
	at  []time.Time
	err error
}

func (w *wiped) Wipe(context.Context) (int64, error) {
	w.at = append(w.at, time.Now())
	return 7, w.err
}

// TestWiper runs a wiper for some two weeks.
func TestWiper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		const rounds = 2000
		var log strings.Builder
		s := &wiped{err: errors.New("broken")}
		told, failed := 0, 0
		last := time.Now()
		w := Wiper{
			Store: s,
			Every: 600 * time.Second,
			Wiped: func(removed int64, err error) {
				if told++; err != nil && removed == 7 {
					failed++
				}
			},
			Logf: func(format string, args ...any) {
				fmt.Fprintf(&log, format+"\n", args...)
				if len(s.at) == rounds {
					cancel()
				}
			},
		}
		w.Run(ctx)
		if len(s.at) != rounds {
			t.Errorf("%d wipes, not %d", len(s.at), rounds)
		}
		if told != rounds || failed != rounds {
			t.Errorf("it told of %d wipes, %d of them failed and removed 7", told, failed)
		}
		if got := strings.Count(log.String(), "broken"); got != rounds {
			t.Errorf("%d of %d failures are in the log", got, rounds)
		}
		least, most := time.Hour, time.Duration(0)
		for _, at := range s.at {
			least, most = min(least, at.Sub(last)), max(most, at.Sub(last))
			last = at
		}
		// 2000 uniform draws miss an outer hundredth of the range with p < 1e-8.
		if least < 540*time.Second || least > 542*time.Second || most > 660*time.Second || most < 658*time.Second {
			t.Errorf("pauses are from %v to %v, not from 540 s to 660 s", least, most)
		}
	})
}

// TestWiperPausesForLong has a mean of decades, which overflowed to no pause at all.
func TestWiperPausesForLong(t *testing.T) {
	for _, every := range []time.Duration{2_000_000_000 * time.Second, math.MaxInt64} {
		w := Wiper{Every: every}
		for range 100 {
			if p := w.pause(); p < every/10*9 {
				t.Fatalf("of %v, a pause of %v", every, p)
			}
		}
	}
}

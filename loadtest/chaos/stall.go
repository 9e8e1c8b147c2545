//go:build linux

package main

import (
	"sync"
	"time"
)

const (
	// watchEvery is how often a watch looks at the clock.
	watchEvery = 5 * time.Millisecond
	// stallLeast is the shortest lateness that is kept.
	stallLeast = 50 * time.Millisecond
)

// watch knows when this machine had no time for a process that wants hardly any: what others
// measured then is the machine's, not the server's.
type watch struct {
	mu     sync.Mutex
	stalls []stall
	stop   chan struct{}
}

// stall is a time in which the machine stood still.
type stall struct{ begin, end time.Time }

// watchMachine begins to watch; end it with end.
func watchMachine() *watch {
	w := &watch{stop: make(chan struct{})}
	go func() {
		for last := time.Now(); ; {
			select {
			case <-w.stop:
				return
			case <-time.After(watchEvery):
			}
			now := time.Now()
			if now.Sub(last) > watchEvery+stallLeast {
				w.mu.Lock()
				w.stalls = append(w.stalls, stall{last.Add(watchEvery), now})
				w.mu.Unlock()
			}
			last = now
		}
	}()
	return w
}

func (w *watch) end() { close(w.stop) }

// stood returns how long the machine stood still between two times, all together.
func (w *watch) stood(from, to time.Time) (sum time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stalls {
		if s.begin.Before(from) {
			s.begin = from
		}
		if s.end.After(to) {
			s.end = to
		}
		sum += max(0, s.end.Sub(s.begin))
	}
	return sum
}

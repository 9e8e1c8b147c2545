package near

import (
	"sync"

	"rest-sessions/store"
)

// flights are the late reads that were taken and are on their way to Redis. Who needs them
// counted waits for them, since another call may overtake theirs.
type flights struct {
	mu sync.Mutex
	of map[store.PackedToken]flight
}

// flight is that of a session's reads.
type flight struct {
	takers int
	over   chan struct{} // closed when none of them is left; nil while nobody waits
}

// take takes an entry's uncounted reads; e may be nil. If there are any, end must be called once it is
// known what came of them.
func (f *flights) take(e *entry) (Late, bool) {
	if e == nil || e.state.Load()&taken != 0 {
		return Late{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	late, ok := e.take()
	if ok {
		if f.of == nil {
			f.of = make(map[store.PackedToken]flight)
		}
		v := f.of[e.token]
		v.takers++
		f.of[e.token] = v
	}
	return late, ok
}

// end ends the flight of what was taken once.
func (f *flights) end(key store.PackedToken) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.of[key]
	if v.takers--; v.takers > 0 {
		f.of[key] = v
		return
	}
	delete(f.of, key)
	if v.over != nil {
		close(v.over)
	}
}

// over is closed when no reads of a session are in flight; nil if none are.
func (f *flights) over(key store.PackedToken) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.of[key]
	if v.takers > 0 && v.over == nil {
		v.over = make(chan struct{})
		f.of[key] = v
	}
	return v.over
}

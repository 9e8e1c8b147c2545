package near

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store"
)

const (
	// longestTick is how often what is due is looked for at least.
	longestTick = 50 * time.Millisecond
	// maxCall is how many sessions' reads go to Redis at once.
	maxCall = 128
	// againFor is how long late reads are tried again while Redis cannot be used.
	againFor = time.Minute
	// maxAgain bounds those that are tried again.
	maxAgain = 100_000
)

// late brings uncounted reads to Redis that no read of their session takes with it.
type late struct {
	cache *Cache
	tick  time.Duration
	stack atomic.Pointer[entry] // entries that got their first uncounted read
	some  chan struct{}         // gets an element when there is something to bring

	flushing sync.Mutex // held while what was due is brought to Redis

	mu      sync.Mutex
	pending []*entry // by first
	retry   []Uncounted
	oldest  atomic.Int64 // first of the oldest pending, or 0
}

func (l *late) init(c *Cache) {
	l.cache, l.tick, l.some = c, min(c.o.For/20, longestTick), make(chan struct{}, 1)
}

// add notes that an entry has its first uncounted read. It does not wait.
func (l *late) add(e *entry, now time.Duration) {
	e.first = now
	for {
		next := l.stack.Load()
		e.next = next
		if !l.stack.CompareAndSwap(next, e) {
			continue
		}
		if next == nil {
			poke(l.some)
		}
		return
	}
}

// again takes late reads that did not reach Redis, or of which nobody knows. Those are not
// counted again, so that none counts twice, but the session's activity is brought.
func (l *late) again(u Uncounted) {
	real := l.cache.real()
	if u.until == 0 {
		u.until = real + againFor
	}
	if u.Outcome == Unknown {
		l.cache.Stats.LateLost.Add(uint64(u.Reads))
		u.Reads = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u.taken = false
	if real < u.until && len(l.retry) < maxAgain {
		l.retry = append(l.retry, u)
		poke(l.some)
	} else {
		l.cache.Stats.LateLost.Add(uint64(u.Reads))
	}
}

// run flushes at each tick while there is something to bring.
func (l *late) run(ctx context.Context) {
	ticker := time.NewTicker(l.tick)
	defer ticker.Stop()
	for {
		tick := ticker.C
		if !l.hasAny() {
			tick = nil
		}
		select {
		case <-l.some:
		case <-tick:
			l.flush(false)
		case <-ctx.Done():
			return
		}
	}
}

// hasAny reports whether there is something to bring, now or later.
func (l *late) hasAny() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stack.Load() != nil || len(l.pending)+len(l.retry) > 0
}

// flush brings to Redis what is due, or all.
func (l *late) flush(all bool) {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	due := l.due(all)
	for call := range slices.Chunk(due, maxCall) {
		l.cache.o.Count(call)
		for _, u := range call {
			if u.Outcome == Counted {
				l.cache.Stats.LateReads.Add(uint64(u.Reads))
			} else {
				l.again(u)
			}
			if u.taken {
				l.cache.flights.end(store.PackToken(u.Token))
			}
		}
	}
}

// due takes those uncounted reads that are due. What is due within two ticks is, so that
// none comes later than RS_CACHE after it was answered.
func (l *late) due(all bool) (due []Uncounted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := len(l.pending)
	for e := l.stack.Swap(nil); e != nil; {
		next := e.next
		e.next = nil
		l.pending = append(l.pending, e)
		e = next
	}
	slices.Reverse(l.pending[found:])
	if all || l.cache.o.Client == nil || l.cache.o.Client.Refused() == nil {
		due, l.retry = l.retry, nil
	}
	now := l.cache.now(l.cache.real())
	n := 0
	for ; n < len(l.pending); n++ {
		e := l.pending[n]
		if !all && now < e.first+l.cache.o.For-2*l.tick && e.state.Load()&taken == 0 {
			break
		}
		if reads, ok := l.cache.flights.take(e); ok {
			due = append(due, Uncounted{App: e.app, Token: e.token.String(), Late: reads, taken: true})
		}
	}
	l.pending = slices.Delete(l.pending, 0, n)
	l.oldest.Store(0)
	if len(l.pending) > 0 {
		l.oldest.Store(int64(l.pending[0].first))
	}
	return due
}

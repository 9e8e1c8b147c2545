package near

import (
	"math"
	"sync/atomic"
	"time"
)

// leaseTime is how long after a beat was sent, once it is received, what others change is
// taken to be received, too.
const leaseTime = 200 * time.Millisecond

// lease says until when all that others have published has been received, within leaseTime.
// One that has ended never begins again: what was stored under it is forgotten.
type lease struct{ until atomic.Int64 }

const leaseEnded = math.MinInt64

// holds reports whether it holds at now, by the real clock.
func (l *lease) holds(now time.Duration) bool { return int64(now) < l.until.Load() }

// lost reports whether it held once, and does no more.
func (l *lease) lost(now time.Duration) bool {
	until := l.until.Load()
	return until != 0 && until <= int64(now)
}

// end ends it.
func (l *lease) end() { l.until.Store(leaseEnded) }

// extend lets it hold until then, unless it has ended.
func (l *lease) extend(now, until time.Duration) {
	for {
		old := l.until.Load()
		if old != 0 && old <= int64(now) || old >= int64(until) || l.until.CompareAndSwap(old, int64(until)) {
			return
		}
	}
}

package near

import (
	"sync/atomic"
	"time"
)

// Stats count what a Cache does.
type Stats struct {
	Hits, Evictions, LeasesLost, LateReads, LateLost atomic.Uint64

	Misses   [misses]atomic.Uint64
	Refusals [refusals]atomic.Uint64
}

// Why a read was not answered near.
const (
	Absent  = iota
	Expired // RS_CACHE has passed since Redis answered, or its end is near
	Changed // by this server or another
	NoLease // what others changed may not have been received
	misses
)

// Why an answer of Redis is not kept.
const (
	NotReceived = iota // what others changed may not have been received
	OldToken           // of a session that was rotated
	Ending             // the session's end is near
	Slow               // it took as long as it would have been kept
	InFlight           // the session was changed meanwhile
	refusals
)

// Misses and Refusals have these names, in order.
var (
	MissNames    = [misses]string{"absent", "expired", "changed", "lease"}
	RefusalNames = [refusals]string{"lease", "old_token", "ending", "slow", "changed"}
)

// Figures are what a Cache says of itself. The maps are by reason.
type Figures struct {
	Hits, Evictions, LeasesLost uint64
	// LateReads were brought to Redis with no read of their session; LateLost were perhaps
	// not counted.
	LateReads, LateLost uint64
	Misses, Refusals    map[string]uint64
	Sessions            int
	// Oldest is how long ago the oldest uncounted read was answered.
	Oldest time.Duration
	// Lease tells whether what others change is received, or would be if something were read; of
	// a Redis Cluster, of some bucket.
	Lease bool
}

// Figures returns those of now.
func (c *Cache) Figures() Figures {
	s := &c.Stats
	f := Figures{
		Hits: s.Hits.Load(), Evictions: s.Evictions.Load(), LeasesLost: s.LeasesLost.Load(),
		LateReads: s.LateReads.Load(), LateLost: s.LateLost.Load(),
		Misses: make(map[string]uint64, misses), Refusals: make(map[string]uint64, refusals),
		Sessions: c.entries.EstimatedSize(), Lease: c.feeds.works(c.real()),
	}
	for i := range s.Misses {
		f.Misses[MissNames[i]] = s.Misses[i].Load()
	}
	for i := range s.Refusals {
		f.Refusals[RefusalNames[i]] = s.Refusals[i].Load()
	}
	if first := c.late.oldest.Load(); first != 0 {
		f.Oldest = c.now(c.real()) - time.Duration(first)
	}
	return f
}

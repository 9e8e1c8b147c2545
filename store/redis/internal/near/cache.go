// Package near answers reads of sessions from memory for a short time after Redis answered
// one, and counts them later. It knows where sessions are and how Redis is reached, and no
// route. docs/near-reads.md says what it promises.
package near

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// Options are how a Cache works.
type Options struct {
	// For is how long after an answer of Redis it is answered again.
	For time.Duration
	// Sessions is how many the cache holds; one with more than dataUnit bytes of data
	// counts as several.
	Sessions int
	// Client reaches Redis.
	Client *wire.Client
	// Channel is what is published on by one Redis.
	Channel string
	// Count brings late reads to Redis, each entry's by itself, and fills in Outcome.
	Count func([]Uncounted)
	Logf  func(format string, args ...any)
	// Clock is what answers age by; nil for the real one. Tests replace it.
	Clock func() time.Duration
}

// Uncounted are the late reads of a session.
type Uncounted struct {
	App, Token string
	Late
	Outcome Outcome
	until   time.Duration // when there is no use any more in trying again
	taken   bool          // its flight has to be ended
}

// Outcome is what came of counting late reads.
type Outcome int

const (
	Counted Outcome = iota
	NotSent         // Redis has certainly not counted them
	Unknown         // Redis may have counted them
)

// dataUnit is how many bytes of data make a session count as one more.
const dataUnit = 4096

// generations is how many counters of changes there are; one stands for the sessions whose
// tokens have some bits in common.
const generations = 4096

// Cache holds sessions as Redis answered them. A nil *Cache holds none.
type Cache struct {
	o       Options
	start   time.Time
	entries *otter.Cache[store.PackedToken, *entry]
	changes [generations]atomic.Uint32
	feeds   feeds
	late    late
	flights flights
	Stats   Stats

	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes a cache and begins to listen to what others publish.
func New(o Options) *Cache {
	c := newCache(o)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.feeds.run(ctx) })
	c.done.Go(func() { c.late.run(ctx) })
	return c
}

// newCache makes a cache that receives nothing.
func newCache(o Options) *Cache {
	c := &Cache{o: o, start: time.Now()}
	c.entries = otter.Must(&otter.Options[store.PackedToken, *entry]{
		MaximumWeight:    uint64(o.Sessions),
		Weigher:          func(_ store.PackedToken, e *entry) uint32 { return uint32(1 + len(e.session.D)/dataUnit) },
		ExpiryCalculator: otter.ExpiryWriting[store.PackedToken, *entry](2 * o.For),
		Clock:            otter.NewCoarseClock(o.For / 2),
		OnAtomicDeletion: func(e otter.DeletionEvent[store.PackedToken, *entry]) {
			if e.Cause == otter.CauseOverflow {
				c.Stats.Evictions.Add(1)
			}
			e.Value.drop() // its uncounted reads are in late
		},
	})
	c.feeds.cache, c.feeds.wanted = c, make(chan layout.Bucket, 256)
	c.late.init(c)
	return c
}

// Close brings all uncounted reads to Redis, and ends.
func (c *Cache) Close() {
	if c == nil {
		return
	}
	c.stop()
	c.done.Wait()
	c.Flush()
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
}

// real is the time since the start, which leases go by.
func (c *Cache) real() time.Duration { return time.Since(c.start) }

// now is the time that answers age by.
func (c *Cache) now(real time.Duration) time.Duration {
	if c.o.Clock != nil {
		return c.o.Clock()
	}
	return real
}

// Get answers a read, if it can. It allocates nothing and does not wait.
func (c *Cache) Get(app, token string) (store.Session, bool) {
	e, ok := c.entries.GetIfPresent(store.PackToken(token))
	if !ok || e.app != app {
		c.Stats.Misses[Absent].Add(1)
		return store.Session{}, false
	}
	real := c.real()
	if !e.lease.holds(real) {
		c.Stats.Misses[NoLease].Add(1)
		return store.Session{}, false
	}
	now := c.now(real)
	if now >= e.expires {
		c.Stats.Misses[Expired].Add(1)
		return store.Session{}, false
	}
	session, first, ok := e.read(now)
	if !ok {
		c.Stats.Misses[Changed].Add(1)
		return store.Session{}, false
	}
	if first {
		c.late.add(e, now)
	}
	c.Stats.Hits.Add(1)
	return session, true
}

// Ticket is what the answer of a read that goes to Redis is kept with.
type Ticket struct {
	// Late are reads of the session that the read is to count, too.
	Late
	bucket layout.Bucket
	lease  *lease
	asked  time.Duration
	change uint32
}

// Ask prepares a read that goes to Redis. If it has late reads to count, Return says what
// came of them.
func (c *Cache) Ask(b layout.Bucket, app, token string) Ticket {
	key := store.PackToken(token)
	real := c.real()
	t := Ticket{bucket: b, lease: c.feeds.ask(b), asked: c.now(real), change: c.change(key).Load()}
	t.Late, _ = c.flights.take(c.held(key, app))
	return t
}

// Take ends the answers of a session and returns its uncounted reads, for a caller who
// brings them to Redis, and then calls Return. If there are none, but some that others have
// taken are in flight, wait is closed when those have come to Redis or not.
func (c *Cache) Take(app, token string) (late Late, wait <-chan struct{}) {
	key := store.PackToken(token)
	for e := c.held(key, app); ; {
		if late, ok := c.flights.take(e); ok {
			return late, nil
		}
		if wait := c.flights.over(key); wait != nil {
			return Late{}, wait
		}
		last := e
		if e = c.held(key, app); e == last { // none was carried to another meanwhile
			return Late{}, nil
		}
	}
}

// held returns the entry of a session, whether it answers or not; nil if there is none.
func (c *Cache) held(key store.PackedToken, app string) *entry {
	if e, ok := c.entries.GetEntryQuietly(key); ok && e.Value.app == app {
		return e.Value
	}
	return nil
}

// Return says what came of late reads that a caller took, and gives back those that it
// could not bring to Redis.
func (c *Cache) Return(app, token string, late Late, outcome Outcome) {
	if late.Reads == 0 {
		return
	}
	if outcome != Counted {
		c.late.again(Uncounted{App: strings.Clone(app), Token: strings.Clone(token), Late: late, Outcome: outcome})
	}
	c.flights.end(store.PackToken(token))
}

// change returns the counter of changes of a token's session.
func (c *Cache) change(key store.PackedToken) *atomic.Uint32 {
	return &c.changes[(uint(key[6])<<8|uint(key[7]))%generations]
}

// Drop ends the answers of a session that has changed, also that of a read in flight.
func (c *Cache) Drop(app, token string) {
	if c == nil {
		return
	}
	key := store.PackToken(token)
	c.change(key).Add(1)
	if e, ok := c.entries.GetEntryQuietly(key); ok {
		e.Value.drop()
	}
}

// Answer is a session as Redis answered a read.
type Answer struct {
	// Session's R does not count the Reads that it is the answer of.
	store.Session
	Reads int64
	// Redis is its clock then, and End the last second of the session whatever its
	// activity, or 0.
	Redis time.Duration
	End   int64
	// OldToken says that the token is not the session's own.
	OldToken bool
}

// Keep holds the answer of reads that were asked with a ticket, unless the session has
// changed since, or is near its end. It returns how many reads were answered near that the
// answer does not count.
func (c *Cache) Keep(t Ticket, app, token string, a Answer) (before int64) {
	key := store.PackToken(token)
	real := c.real()
	now := c.now(real)
	second := int64(a.Redis / time.Second)
	end := second + a.TTL
	if a.End > 0 {
		end = min(end, a.End)
	}
	life := time.Duration(end)*time.Second - a.Redis - 2*c.o.For
	expires := t.asked + min(c.o.For, life)
	refused := -1
	switch {
	case t.lease == nil || t.lease.lost(real):
		if refused = NotReceived; t.lease == nil {
			c.feeds.want(t.bucket)
		}
	case a.OldToken:
		refused = OldToken
	case life <= 0:
		refused = Ending
	case now >= expires:
		refused = Slow
	}
	if refused >= 0 {
		c.Stats.Refusals[refused].Add(1)
		if old, ok := c.entries.GetEntryQuietly(key); ok && old.Value.app == app {
			return old.Value.drop()
		}
		return 0
	}
	e := &entry{
		token: key, lease: t.lease, expires: expires,
		redis: a.Redis, ahead: a.Redis - now, second: second, end: a.End,
	}
	e.app, e.session = clone(app, a.Session)
	e.session.R, e.session.Idle = a.R+a.Reads, 0
	var late Late
	carried := false
	held, _ := c.entries.Compute(e.token, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		if !found {
			return e, otter.WriteOp
		}
		if old.app == app && old.redis > e.redis && old.state.Load()&opened != 0 {
			return old, otter.CancelOp // its answer is the later one
		}
		if old.app == app {
			// Whoever takes them from e, too, finds e only after this.
			if late, carried = c.flights.take(old); carried {
				e.carry(late)
			}
		}
		return e, otter.WriteOp
	})
	if carried {
		c.flights.end(key)
	}
	if held != e {
		return 0
	}
	// Who changes the session now finds the entry; who did so before has raised the counter.
	if c.change(e.token).Load() != t.change || !e.open() {
		e.drop()
		c.Stats.Refusals[InFlight].Add(1)
	}
	if carried {
		c.late.add(e, now)
	}
	return int64(late.Reads)
}

// clone copies the texts of a session, which are pieces of a larger reply, and the app.
func clone(app string, s store.Session) (string, store.Session) {
	text := strings.Join([]string{app, s.ID, s.IP, s.First, s.D}, "")
	app, text = text[:len(app)], text[len(app):]
	s.ID, text = text[:len(s.ID)], text[len(s.ID):]
	s.IP, text = text[:len(s.IP)], text[len(s.IP):]
	s.First, s.D = text[:len(s.First)], text[len(s.First):]
	return app, s
}

// Fence returns when what was published before about the bucket's sessions has been received,
// or nothing of them is answered near any more.
func (c *Cache) Fence(b layout.Bucket) {
	if c != nil {
		c.feeds.fence(b)
	}
}

// Flush brings all uncounted reads to Redis.
func (c *Cache) Flush() { c.late.flush(true) }

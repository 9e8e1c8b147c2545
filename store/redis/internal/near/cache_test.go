package near

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// start is what Redis' clock says where that of a test cache is 0.
const start = 1_700_000_000 * time.Second

// testCache is a cache without a Redis, whose clock is moved, and which has a lease.
type testCache struct {
	*Cache
	clock time.Duration
	mu    sync.Mutex
	late  []Uncounted // what has been brought to Redis
}

func newTestCache(t *testing.T, sessions int) *testCache {
	c := &testCache{}
	c.Cache = newCache(Options{
		For: 10 * time.Second, Sessions: sessions, Clock: func() time.Duration { return c.clock }, Channel: "ns:cache",
		Count: func(all []Uncounted) {
			c.mu.Lock()
			c.late = append(c.late, all...)
			for i := range all {
				all[i].Outcome = Counted
			}
			c.mu.Unlock()
		},
	})
	t.Cleanup(func() { c.entries.StopAllGoroutines() })
	c.renew()
	return c
}

// renew begins a new lease, of an hour.
func (c *testCache) renew() {
	f := &feed{cache: c.Cache, leases: map[string]*lease{"ns:cache": new(lease)}}
	f.leases["ns:cache"].extend(c.real(), c.real()+time.Hour)
	c.feeds.one.Store(f)
}

func (c *testCache) now() time.Duration { return start + c.clock }

// read is a read that Redis answers at once.
func (c *testCache) read(token string, s store.Session, end int64) Ticket {
	ticket := c.Ask(layout.Bucket{}, "app", token)
	c.Keep(ticket, "app", token, Answer{Reads: 1, Session: s, Redis: c.now(), End: end})
	return ticket
}

var someone = store.Session{ID: "user", IP: "::1", D: `{"a":1}`, R: 5, W: 2, TTL: 100}

// TestAnswers wants answers as Redis would give them, as seconds pass.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		session       store.Session
		end           int64 // seconds from the start, or 0
		ttl, expires3 int64 // after 3 seconds
	}{
		"plain":     {someone, 0, 100, 103},
		"max_age":   {someone, 50, 100, 50},
		"no_resave": {store.Session{ID: "user", R: 5, W: 2, TTL: 100, NoResave: true}, 0, 97, 100},
	} {
		cache, token := newTestCache(t, 100), store.NewToken("user")
		end := c.end
		if end > 0 {
			end += int64(start / time.Second)
		}
		cache.clock = 900 * time.Millisecond
		cache.read(token, c.session, end)
		for i, step := range []struct {
			at   time.Duration
			idle int64
		}{{950 * time.Millisecond, 0}, {1050 * time.Millisecond, 1}, {1900 * time.Millisecond, 0}, {3 * time.Second, 2}, {3 * time.Second, 0}} {
			cache.clock = step.at
			got, ok := cache.Get("app", token)
			if !ok || got.R != int64(6+i) || got.Idle != step.idle || got.W != 2 || got.ID != "user" || got.D != c.session.D {
				t.Errorf("%s, read %d: %+v %v", name, i, got, ok)
			}
			if i == 4 && (got.TTL != c.ttl || got.Expires != int64(start/time.Second)+c.expires3) {
				t.Errorf("%s: ttl %d, expires after %d s", name, got.TTL, got.Expires-int64(start/time.Second))
			}
		}
		if late, _ := cache.Take("app", token); late.Reads != 5 || late.At != int64(start/time.Second)+3 {
			t.Errorf("%s: late %+v", name, late)
		}
		if _, ok := cache.Get("app", token); ok {
			t.Errorf("%s: it answers after its reads were taken", name)
		}
		if late, _ := cache.Take("app", token); late.Reads > 0 {
			t.Errorf("%s: reads are taken twice", name)
		}
	}
}

// TestUntil wants no answer once RS_CACHE has passed since the read was sent, or less than
// twice RS_CACHE of the session's life is left.
func TestUntil(t *testing.T) {
	second := int64(start / time.Second)
	for name, c := range map[string]struct {
		ttl, end int64
		last     time.Duration // of the last answer, -1 for none
	}{
		"long":    {100, 0, 10 * time.Second},
		"ttl":     {25, 0, 5 * time.Second},
		"end":     {100, second + 23, 3 * time.Second},
		"too old": {20, 0, -1},
		"ended":   {100, second + 20, -1},
	} {
		cache, token := newTestCache(t, 100), store.NewToken("user")
		s := someone
		s.TTL = c.ttl
		ticket := cache.Ask(layout.Bucket{}, "app", token)
		cache.clock = 100 * time.Millisecond // the answer comes
		cache.Keep(ticket, "app", token, Answer{Reads: 1, Session: s, Redis: start, End: c.end})
		for at := 200 * time.Millisecond; at < 12*time.Second; at += 100 * time.Millisecond {
			cache.clock = at
			if _, ok := cache.Get("app", token); ok != (at < c.last) {
				t.Errorf("%s: after %v it answers: %v", name, at, ok)
			}
		}
	}
}

// TestChangeInFlight has a session change while a read of it is in flight, and a lease end.
func TestChangeInFlight(t *testing.T) {
	for name, happens := range map[string]func(c *testCache, token string){
		"change": func(c *testCache, token string) { c.Drop("app", token) },
		"message": func(c *testCache, token string) {
			c.feeds.one.Load().onMessage(message("app:" + token))
		},
		"lease": func(c *testCache, _ string) { c.feeds.one.Load().end(); c.renew() },
		"none":  func(*testCache, string) {},
	} {
		c, token := newTestCache(t, 100), store.NewToken("user")
		ticket := c.Ask(layout.Bucket{}, "app", token)
		happens(c, token)
		c.Keep(ticket, "app", token, Answer{Reads: 1, Session: someone, Redis: start})
		if _, ok := c.Get("app", token); ok != (name == "none") {
			t.Errorf("%s: it answers: %v", name, ok)
		}
		c.read(token, someone, 0)
		c.Get("app", token)
		happens(c, token)
		if _, ok := c.Get("app", token); ok != (name == "none") {
			t.Errorf("%s of what is held: it answers: %v", name, ok)
		}
	}
	c, token := newTestCache(t, 100), store.NewToken("user")
	c.Keep(c.Ask(layout.Bucket{}, "app", token), "app", token, Answer{Reads: 1, Session: someone, Redis: start, OldToken: true})
	if _, ok := c.Get("app", token); ok {
		t.Error("an old token is held")
	}
	c.read(token, someone, 0)
	if _, ok := c.Get("other", token); ok {
		t.Error("another app is answered")
	}
}

// TestAnswersOutOfOrder has two reads in flight at once, whose answers come in either order.
func TestAnswersOutOfOrder(t *testing.T) {
	for _, second := range []bool{false, true} {
		c, token := newTestCache(t, 100), store.NewToken("user")
		a, b := c.Ask(layout.Bucket{}, "app", token), c.Ask(layout.Bucket{}, "app", token)
		earlier, later := someone, someone
		later.R++
		answers := []Answer{{Reads: 1, Session: earlier, Redis: start}, {Reads: 1, Session: later, Redis: start + time.Millisecond}}
		if second {
			answers[0], answers[1] = answers[1], answers[0]
		}
		c.Keep(a, "app", token, answers[0])
		c.Get("app", token)
		c.Get("app", token)
		c.Keep(b, "app", token, answers[1])
		// 5 and 6 of Redis, and two near.
		if got, ok := c.Get("app", token); !ok || got.R != 9 {
			t.Errorf("second first: %v: %+v", second, got)
		}
		if late, _ := c.Take("app", token); late.Reads != 3 {
			t.Errorf("second first: %v: late %+v", second, late)
		}
		c.Flush()
		if len(c.late) != 0 {
			t.Errorf("%+v are flushed, too", c.late)
		}
	}
}

// TestCarried has a session change before a second answer of it is kept: who changes it next
// finds the reads that the first was answered again. They once waited for a flush.
func TestCarried(t *testing.T) {
	c, token := newTestCache(t, 100), store.NewToken("user")
	a, b := c.Ask(layout.Bucket{}, "app", token), c.Ask(layout.Bucket{}, "app", token)
	c.Keep(a, "app", token, Answer{Reads: 1, Session: someone, Redis: start})
	c.Get("app", token)
	c.Drop("app", token)
	c.Keep(b, "app", token, Answer{Reads: 1, Session: someone, Redis: start})
	if _, ok := c.Get("app", token); ok {
		t.Error("the answer from before the change is kept")
	}
	if late, _ := c.Take("app", token); late.Reads != 1 {
		t.Errorf("late %+v", late)
	}
	if late, wait := c.Take("app", token); late.Reads != 0 || wait == nil {
		t.Errorf("late %+v, and nothing in flight", late)
	}
	c.Return("app", token, Late{Reads: 1}, Counted)
	if _, wait := c.Take("app", token); wait != nil {
		t.Error("what is counted is in flight")
	}
}

// TestDue wants late reads to be brought at most RS_CACHE after the first, also of a session
// that has changed or was evicted.
func TestDue(t *testing.T) {
	c, token := newTestCache(t, 100), store.NewToken("user")
	c.read(token, someone, 0)
	c.clock = 4 * time.Second
	c.Get("app", token)
	c.clock = 5 * time.Second
	c.Get("app", token)
	c.Drop("app", token)
	for c.clock < 20*time.Second && len(c.late) == 0 {
		c.clock += c.Cache.late.tick
		c.Cache.late.flush(false)
	}
	if len(c.late) != 1 || c.late[0].Late != (Late{2, int64(start/time.Second) + 5}) || c.clock > 14*time.Second || c.clock < 13*time.Second {
		t.Errorf("after %v: %+v", c.clock, c.late)
	}
}

// TestEvictions wants all reads counted of many more sessions than are held.
func TestEvictions(t *testing.T) {
	c := newTestCache(t, 100)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				token := store.NewToken(fmt.Sprint(i))
				if late := c.read(token, someone, 0).Late; late.Reads > 0 {
					t.Error("a new session has late reads")
				}
				for range 3 {
					c.Get("app", token)
				}
			}
		})
	}
	wg.Wait()
	c.Flush()
	total := uint32(0)
	for _, u := range c.late {
		total += u.Reads
	}
	if hits := c.Figures().Hits; uint64(total) != hits || hits == 0 {
		t.Errorf("%d are counted of %d", total, hits)
	}
	if n := c.Figures().Sessions; n > 200 {
		t.Errorf("%d sessions are held", n)
	}
}

// TestAtOnce has one session read, renewed, changed and flushed at once: each read near is
// counted once.
func TestAtOnce(t *testing.T) {
	c, token := newTestCache(t, 100), store.NewToken("user")
	var hits, counted [8]uint64
	var wg sync.WaitGroup
	for w := range hits {
		wg.Go(func() {
			for i := range 20_000 {
				if _, ok := c.Get("app", token); ok {
					hits[w]++
				} else {
					counted[w] += uint64(c.read(token, someone, 0).Reads)
				}
				switch {
				case w == 0 && i%50 == 0:
					c.Drop("app", token)
				case w == 1 && i%70 == 0:
					c.Flush()
				}
			}
		})
	}
	wg.Wait()
	late, _ := c.Take("app", token)
	c.Flush()
	all, sum := uint64(0), uint64(late.Reads)
	for w := range hits {
		all, sum = all+hits[w], sum+counted[w]
	}
	for _, u := range c.late {
		sum += uint64(u.Reads)
	}
	if all != sum || all == 0 {
		t.Errorf("%d are counted of %d", sum, all)
	}
}

// TestLease holds until its time, and never again once it has ended.
func TestLease(t *testing.T) {
	l := new(lease)
	if l.holds(0) || l.lost(0) {
		t.Error("a new one holds")
	}
	l.extend(0, 200)
	l.extend(100, 150) // a beat that was sent before
	if !l.holds(199) || l.holds(200) || !l.lost(200) {
		t.Error("it does not hold until 200")
	}
	l.extend(200, 400)
	if l.holds(201) {
		t.Error("it holds again")
	}
	l = new(lease)
	l.end()
	l.extend(0, 200)
	if l.holds(100) {
		t.Error("it holds after its end")
	}
}

func message(text string) rueidis.PubSubMessage {
	return rueidis.PubSubMessage{Channel: "ns:cache", Message: text}
}

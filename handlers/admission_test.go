package handlers

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simulation is a store in virtual time: requests come at random, wait in one queue, are
// served one at a time, and are told so after a delay.
type simulation struct {
	a       *admission
	now     time.Duration
	service time.Duration // of one request, so capacity is one by this
	delay   time.Duration // on top of it, whatever the queue
	no      time.Duration // of saying no, in the place of service
	crowd   time.Duration // nobody comes while the queue is longer: all clients wait
	free    time.Duration // when the store will have served what it has
	leaving departures
	random  *rand.Rand

	accepted []time.Duration // what the answers took
	shed     int
	lastShed time.Duration
}

// departure is an answer to come.
type departure struct{ at, took time.Duration }

// departures is a heap of them, the next first.
type departures []departure

func (d departures) Len() int           { return len(d) }
func (d departures) Less(i, j int) bool { return d[i].at < d[j].at }
func (d departures) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *departures) Push(x any)        { *d = append(*d, x.(departure)) }
func (d *departures) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func newSimulation(most int, capacity float64, delay time.Duration) *simulation {
	return &simulation{
		a: newAdmission(most), service: time.Duration(float64(time.Second) / capacity), delay: delay,
		random: rand.New(rand.NewPCG(1, 2)),
	}
}

// run lets requests come at a rate for a time and returns the p99 of the accepted ones'
// answers, and the shares of the time's capacity that were accepted and of the
// requests that were shed.
func (s *simulation) run(rate float64, lasting time.Duration) (p99 time.Duration, used, shed float64) {
	s.accepted, s.shed = nil, 0
	begin := s.now
	end := s.now + lasting
	for {
		s.now += time.Duration(s.random.ExpFloat64() / rate * float64(time.Second))
		if s.now >= end {
			s.now = end
			break
		}
		s.leave()
		if s.crowd > 0 && s.free-s.now > s.crowd {
			continue
		}
		if !s.a.enter(short) {
			s.shed++
			s.lastShed = s.now
			if s.no > 0 {
				s.free = max(s.free, s.now) + s.no
			}
			continue
		}
		s.free = max(s.free, s.now) + s.service
		heap.Push(&s.leaving, departure{s.free + s.delay, s.free + s.delay - s.now})
		s.accepted = append(s.accepted, s.free+s.delay-s.now)
	}
	slices.Sort(s.accepted)
	n := len(s.accepted)
	return s.accepted[n*99/100], float64(n) * s.service.Seconds() / (end - begin).Seconds(), float64(s.shed) / float64(s.shed+n)
}

// leave ends what has its answer by now.
func (s *simulation) leave() {
	for len(s.leaving) > 0 && s.leaving[0].at <= s.now {
		d := heap.Pop(&s.leaving).(departure)
		s.a.leave(short, epoch.Add(time.Hour+d.at), d.took)
	}
}

// allowedShed is the share of requests that are shed although there is no queue: a trial that
// finds none, of 50 ms in some seconds.
const allowedShed = 0.01

// TestOverload puts twice the capacity on stores of all kinds, for a minute of virtual
// time, and goes back to half of it.
func TestOverload(t *testing.T) {
	for _, c := range []struct {
		capacity float64
		delay    time.Duration
	}{
		{20_000, 200 * time.Microsecond}, {2_000, 500 * time.Microsecond}, {50_000, time.Millisecond}, {5_000, 20 * time.Millisecond},
	} {
		s := newSimulation(DefaultMaxInFlight, c.capacity, c.delay)
		normal, _, shed := s.run(c.capacity*0.7, 10*time.Second)
		if shed > allowedShed {
			t.Errorf("%+v: %.1f%% shed at 0.7 of the capacity", c, 100*shed)
		}
		over, used, shed := s.run(c.capacity*2, time.Minute)
		// A queue that even the fastest answer does not show is meant to be there.
		allowed := 3 * max(normal, slowest)
		t.Logf("%+v: p99 %v, overloaded %v, %.0f%% of the capacity used, %.0f%% shed", c, normal, over, 100*used, 100*shed)
		if over > allowed {
			t.Errorf("%+v: p99 %v when overloaded, %v before", c, over, normal)
		}
		if used < 0.95 {
			t.Errorf("%+v: %.0f%% of the capacity used when overloaded", c, 100*used)
		}
		ended := s.now
		after, _, _ := s.run(c.capacity*0.7, 10*time.Second)
		if s.lastShed > ended+2*admissionWindow || after > allowed {
			t.Errorf("%+v: shed until %v after the overload, p99 %v", c, s.lastShed-ended, after)
		}
		if s.a.phase != open || s.a.limit.Load() != DefaultMaxInFlight {
			t.Errorf("%+v: the limit is %d 10 s after the overload", c, s.a.limit.Load())
		}
	}
}

// TestOverloadChanges lets the capacity fall to a half and rise to the double of it
// while twice of it is asked for.
func TestOverloadChanges(t *testing.T) {
	s := newSimulation(DefaultMaxInFlight, 10_000, 3*time.Millisecond)
	s.run(7_000, 5*time.Second)
	for _, capacity := range []float64{10_000, 2_000, 20_000, 10_000} {
		s.service = time.Duration(float64(time.Second) / capacity)
		s.run(2*capacity, time.Second) // the limit follows
		p99, used, _ := s.run(2*capacity, 20*time.Second)
		t.Logf("%.0f/s: p99 %v, %.0f%% used", capacity, p99, 100*used)
		if p99 > 3*slowest || used < 0.9 {
			t.Errorf("%.0f/s: p99 %v, %.0f%% used", capacity, p99, 100*used)
		}
	}
}

// TestNoQueue checks what is slow and no queue: nearly nothing is shed for it.
func TestNoQueue(t *testing.T) {
	const capacity = 20_000
	s := newSimulation(DefaultMaxInFlight, capacity, 200*time.Microsecond)
	s.run(capacity/2, 5*time.Second)
	// A failover to a Redis far away.
	s.delay = 20 * time.Millisecond
	if _, _, shed := s.run(0.8*capacity, time.Minute); shed > allowedShed {
		t.Errorf("%.1f%% shed at 0.8 of the capacity of a store that is far away", 100*shed)
	}
	s.delay = 200 * time.Microsecond
	// A pause of 30 ms a second: a collection, a fork.
	shed := 0
	for range 20 {
		s.free = max(s.free, s.now) + 30*time.Millisecond
		s.run(capacity/2, time.Second)
		shed += s.shed
	}
	if shed > 0 {
		t.Errorf("%d shed by pauses", shed)
	}
	// One of 100 ms is more than fits in flight; of what comes after it nearly all does.
	for range 20 {
		s.run(capacity/2, time.Second)
		s.free = max(s.free, s.now) + 100*time.Millisecond
		s.run(capacity/2, 100*time.Millisecond)
		s.run(capacity/2, 10*time.Millisecond)
		if s.run(capacity/2, time.Second); s.shed > capacity/2/33 {
			t.Fatalf("%d of %d shed after a pause", s.shed, capacity/2)
		}
	}
	// A crowd at once, with nothing before and after.
	for range 20 {
		s.run(10, 5*time.Second)
		s.run(1e6, DefaultMaxInFlight*3/4*time.Microsecond)
		if s.shed > 0 {
			t.Fatalf("%d of a crowd shed", s.shed)
		}
	}
}

// TestInFlight counts what is let in, of both queues.
func TestInFlight(t *testing.T) {
	a := newAdmission(3)
	for _, q := range []queue{short, long} {
		for i := range 5 {
			if got := a.enter(q); got != (i < 3) {
				t.Errorf("queue %d, request %d: let in is %v", q, i, got)
			}
		}
		a.leave(q, epoch.Add(-time.Second), 0) // before the first window ends
		if a.answered.Load() != 0 || a.fastest.Load() != unknown {
			t.Error("what the store did not answer counts as an answer")
		}
		if !a.enter(q) || a.enter(q) {
			t.Errorf("queue %d: not one more", q)
		}
		if !a.enter(nowhere) {
			t.Error("what does not ask the store is shed")
		}
	}
}

// TestLongOnesDoNotBlock lets removals that take for ever run while a queue is found.
func TestLongOnesDoNotBlock(t *testing.T) {
	s := newSimulation(DefaultMaxInFlight, 10_000, time.Millisecond)
	for range 100 {
		s.a.enter(long)
	}
	s.run(5_000, time.Second)
	if _, used, _ := s.run(20_000, 20*time.Second); used < 0.95 {
		t.Errorf("%.0f%% of the capacity used", 100*used)
	}
}

// TestTinyMax bounds to fewer than leastInFlight.
func TestTinyMax(t *testing.T) {
	s := newSimulation(2, 1_000, 0)
	if p99, _, _ := s.run(10_000, 10*time.Second); p99 > 2*time.Millisecond || s.a.limit.Load() != 2 {
		t.Errorf("p99 %v with 2 in flight at 1 ms each, limit %d", p99, s.a.limit.Load())
	}
}

// TestSayingNoCosts overloads a server whose own processor is what is short, so that each
// no takes away from the answers, and clients that wait do not ask again. Most must
// still be answered: a low limit would only say no more often.
func TestSayingNoCosts(t *testing.T) {
	for _, c := range []struct{ cost, least float64 }{{0.05, 0.9}, {0.2, 0.7}, {0.55, 0.55}} {
		s := newSimulation(DefaultMaxInFlight, 20_000, 200*time.Microsecond)
		s.crowd = 40 * time.Millisecond
		s.no = time.Duration(c.cost * float64(s.service))
		s.run(10_000, time.Second)
		p99, used, shed := s.run(40_000, 20*time.Second)
		t.Logf("a no costs %.2f of an answer: p99 %v, %.0f%% used, %.0f%% shed", c.cost, p99, 100*used, 100*shed)
		if used < c.least {
			t.Errorf("a no costs %.2f of an answer: %.0f%% used", c.cost, 100*used)
		}
		if p99, _, shed := s.run(10_000, 10*time.Second); shed > allowedShed || p99 > slowest {
			t.Errorf("a no costs %.2f of an answer: %.1f%% shed afterwards, p99 %v", c.cost, 100*shed, p99)
		}
	}
}

// TestFarAndNear overloads a store that is near again after it was far away.
func TestFarAndNear(t *testing.T) {
	s := newSimulation(DefaultMaxInFlight, 10_000, 30*time.Millisecond)
	s.run(9_500, 5*time.Second) // some 300 in flight
	if s.a.meant < float64(s.delay) {
		t.Errorf("%v is meant, of a store that takes %v", time.Duration(s.a.meant), s.delay)
	}
	s.delay = time.Millisecond
	s.run(6_000, time.Minute) // what is meant is forgotten by and by
	if p99, used, _ := s.run(20_000, 20*time.Second); p99 > 3*slowest || used < 0.95 {
		t.Errorf("p99 %v, %.0f%% used", p99, 100*used)
	}
}

// TestLongQueue finds one that is long, of a store that is far away: what those who
// waited in it took is not what an answer takes without it.
func TestLongQueue(t *testing.T) {
	s := newSimulation(5_000, 20_000, 30*time.Millisecond)
	s.run(14_000, 5*time.Second)
	s.run(40_000, 5*time.Second)
	if p99, used, _ := s.run(40_000, 20*time.Second); p99 > 60*time.Millisecond || used < 0.95 {
		t.Errorf("p99 %v, %.0f%% used", p99, 100*used)
	}
}

// TestPatientClients lets each of 250 ask again when it has its answer: that is all the
// store can do, and no overload.
func TestPatientClients(t *testing.T) {
	s := newSimulation(DefaultMaxInFlight, 2_000, time.Millisecond)
	s.crowd = 250 * s.service
	if p99, used, shed := s.run(1e6, 10*time.Second); shed > 0 || used < 0.99 {
		t.Errorf("p99 %v, %.0f%% used, %.1f%% shed", p99, 100*used, 100*shed)
	}
}

// TestRest has 360 of them, on a server whose own processor is what is short: trials are
// in vain, and must be few.
func TestRest(t *testing.T) {
	s := newSimulation(DefaultMaxInFlight, 20_000, 0)
	s.crowd, s.no = 360*s.service, s.service*6/10
	if p99, used, shed := s.run(1e6, time.Minute); used < 0.95 {
		t.Errorf("p99 %v, %.0f%% used, %.1f%% shed", p99, 100*used, 100*shed)
	}
}

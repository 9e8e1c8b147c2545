//go:build !race

package admission

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestOverload puts twice the capacity on stores of all kinds, for a minute of virtual
// time, and goes back to half of it.
func TestOverload(t *testing.T) {
	for _, c := range []struct {
		capacity float64
		delay    time.Duration
	}{
		{20_000, 200 * time.Microsecond}, {2_000, 500 * time.Microsecond}, {50_000, time.Millisecond}, {5_000, 20 * time.Millisecond},
	} {
		s := newSimulation(DefaultMax, c.capacity, c.delay)
		normal, _, shed := s.run(c.capacity*0.7, 15*time.Second)
		if shed > 0 {
			t.Errorf("%+v: %d shed at 0.7 of the capacity", c, s.shed)
		}
		crest, _, _ := s.run(c.capacity*2, s.crest())
		over, used, shed := s.run(c.capacity*2, time.Minute)
		// A queue that even the fastest answer does not show is meant to be there.
		allowed := 3 * max(normal, slowest)
		t.Logf("%+v: p99 %v, for the first %v of overload %v, then %v, %.0f%% of the capacity used, %.0f%% shed", c, normal, s.crest(), crest, over, 100*used, 100*shed)
		if crest > s.crest() || over > allowed {
			t.Errorf("%+v: p99 %v in the first %v of overload, then %v, %v before", c, crest, s.crest(), over, normal)
		}
		if used < 0.95 {
			t.Errorf("%+v: %.0f%% of the capacity used when overloaded", c, 100*used)
		}
		ended := s.now
		if after, _, _ := s.run(c.capacity/2, lingering+2*window); s.lastShed > ended+2*window || after > allowed {
			t.Errorf("%+v: shed until %v after the overload, p99 %v", c, s.lastShed-ended, after)
		}
		if s.a.phase != open || s.a.limit.Load() != DefaultMax {
			t.Errorf("%+v: the limit is %d soon after the overload", c, s.a.limit.Load())
		}
	}
}

// TestCrowdAfterOverload lets nobody come after an overload, and then a crowd at once: the
// limit is of another time, although no answer has ended its windows.
func TestCrowdAfterOverload(t *testing.T) {
	s := newSimulation(DefaultMax, 20_000, 200*time.Microsecond)
	for range 10 {
		s.run(40_000, 5*time.Second)
		if s.a.phase != shedding {
			t.Fatalf("phase %d in an overload", s.a.phase)
		}
		s.now += lingering * 3 / 2
		if s.run(1e7, 1500*100*time.Nanosecond); s.shed > 0 {
			t.Errorf("%d of a crowd shed", s.shed)
		}
	}
}

// TestOverloadChanges lets the capacity fall to a half and rise to the double of it
// while twice of it is asked for.
func TestOverloadChanges(t *testing.T) {
	s := newSimulation(DefaultMax, 10_000, 3*time.Millisecond)
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

// TestNoQueue has what is slow and no queue, or one that goes as it came: nobody is shed.
func TestNoQueue(t *testing.T) {
	for seed := range uint64(5) {
		const capacity = 20_000
		s := newSimulation(DefaultMax, capacity, 200*time.Microsecond)
		s.random = rand.New(rand.NewPCG(seed, 0))
		none := func(what string) {
			t.Helper()
			if s.shed > 0 {
				t.Errorf("%s: %d of %d shed", what, s.shed, s.shed+len(s.accepted))
			}
		}
		for _, load := range []float64{0.5, 0.8} {
			for _, pause := range []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, 100 * time.Millisecond} {
				for range 5 {
					s.run(load*capacity, time.Second)
					none("after a pause")
					s.free = max(s.free, s.now) + pause
					s.run(load*capacity, pause)
					none("in a pause")
				}
			}
		}
		// A crowd at once, with nothing before and after.
		for range 10 {
			s.run(10, time.Second)
			none("after a crowd")
			s.run(1e7, 1800*100*time.Nanosecond)
			none("in a crowd")
		}
		// Bursts of twice the capacity for 50 ms.
		for range 20 {
			s.run(capacity/2, 200*time.Millisecond)
			none("after a burst")
			s.run(capacity*2, 50*time.Millisecond)
			none("in a burst")
		}
		// A store that is far away from the beginning, with up to 800 in flight.
		s = newSimulation(DefaultMax, 2*capacity, 20*time.Millisecond)
		for _, load := range []float64{0.05, 0.4, 0.95} {
			s.run(load*2*capacity, 20*time.Second)
			none("far away")
		}
	}
}

// TestFarther moves the store 20 ms away while there are too many in flight then to be let
// in unseen: the trial that finds no queue is the only one.
func TestFarther(t *testing.T) {
	const capacity, load = 50_000, 35_000
	s := newSimulation(DefaultMax, capacity, 200*time.Microsecond)
	s.run(load, 15*time.Second)
	s.delay = 20 * time.Millisecond
	if s.run(load, time.Second); s.shed == 0 || s.shed > load/5 {
		t.Errorf("%d of %d shed when the store went away", s.shed, load)
	}
	if s.run(load, time.Minute); s.shed > 0 {
		t.Errorf("%d shed afterwards", s.shed)
	}
	// And again, in the midst of an overload.
	s = newSimulation(DefaultMax, capacity, 200*time.Microsecond)
	s.run(load, 15*time.Second)
	s.run(2*capacity, 2*time.Second)
	s.delay = 20 * time.Millisecond
	s.run(2*capacity, 2*time.Second)
	if p99, used, _ := s.run(2*capacity, 10*time.Second); used < 0.95 || p99 > 40*time.Millisecond {
		t.Errorf("p99 %v, %.0f%% used when it went away in an overload", p99, 100*used)
	}
}

// TestPauseInOverload lets the store stand still while it is overloaded.
func TestPauseInOverload(t *testing.T) {
	s := newSimulation(DefaultMax, 20_000, 200*time.Microsecond)
	s.run(40_000, s.crest())
	for range 10 {
		s.free = max(s.free, s.now) + 100*time.Millisecond
		s.run(40_000, 250*time.Millisecond)
		if p99, used, _ := s.run(40_000, time.Second); p99 > 3*slowest || used < 0.95 {
			t.Errorf("p99 %v, %.0f%% used after a pause", p99, 100*used)
		}
	}
}

// TestLongOnesDoNotBlock lets removals that take for ever run while a queue is found.
func TestLongOnesDoNotBlock(t *testing.T) {
	s := newSimulation(DefaultMax, 10_000, time.Millisecond)
	for range 100 {
		s.a.Enter(Long, epoch)
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
		s := newSimulation(DefaultMax, 20_000, 200*time.Microsecond)
		s.clients = 800
		s.no = time.Duration(c.cost * float64(s.service))
		s.run(10_000, time.Second)
		p99, used, shed := s.run(40_000, 20*time.Second)
		t.Logf("a no costs %.2f of an answer: p99 %v, %.0f%% used, %.0f%% shed", c.cost, p99, 100*used, 100*shed)
		if used < c.least {
			t.Errorf("a no costs %.2f of an answer: %.0f%% used", c.cost, 100*used)
		}
		s.run(10_000, lingering)
		if p99, _, _ := s.run(10_000, 10*time.Second); s.shed > 0 || p99 > slowest {
			t.Errorf("a no costs %.2f of an answer: %d shed afterwards, p99 %v", c.cost, s.shed, p99)
		}
	}
}

// TestFarAndNear overloads a store that is near again after it was far away.
func TestFarAndNear(t *testing.T) {
	s := newSimulation(DefaultMax, 10_000, 30*time.Millisecond)
	s.run(9_500, 15*time.Second) // some 300 in flight
	if meant := time.Duration(s.a.meant()); meant < s.delay {
		t.Errorf("%v is meant, of a store that takes %v", meant, s.delay)
	}
	s.delay = time.Millisecond
	s.run(6_000, time.Minute) // what is meant is forgotten by and by
	s.run(20_000, s.crest())
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

// TestPatientClients lets each of 500 ask again when it has its answer: that is all the
// store can do, and no overload.
func TestPatientClients(t *testing.T) {
	for _, capacity := range []float64{1_000, 2_000, 20_000} {
		s := newSimulation(DefaultMax, capacity, time.Millisecond)
		s.clients = 500
		if p99, used, shed := s.run(1e6, 10*time.Second); shed > 0 || used < 0.99 {
			t.Errorf("p99 %v, %.0f%% used, %.1f%% shed", p99, 100*used, 100*shed)
		}
	}
}

// TestImpatientClients has 1,200 that ask again as soon as they hear a no, which costs half
// of what an answer does: most of what can be done must still be answers.
func TestImpatientClients(t *testing.T) {
	s := newSimulation(DefaultMax, 20_000, 0)
	s.clients, s.no = 1200, s.service*6/10
	if p99, used, shed := s.run(1e6, 20*time.Second); used < 0.55 || p99 > 1200*s.service {
		t.Errorf("p99 %v, %.0f%% used, %.1f%% shed", p99, 100*used, 100*shed)
	}
}

// TestBase remembers the fastest of at least 5 s and at most 10.
func TestBase(t *testing.T) {
	var b base
	for _, c := range []struct {
		at, took time.Duration
		want     time.Duration
	}{
		{time.Second, 7, 0}, {6 * time.Second, 8, 0}, {12 * time.Second, 9, 8}, {13 * time.Second, 6, 6}, {14 * time.Second, 9, 6},
		{18 * time.Second, 9, 6}, {24 * time.Second, 9, 9},
	} {
		b.note(int64(c.at), float64(c.took))
		if got := time.Duration(b.fastest()); got != c.want {
			t.Errorf("after %v: %d, want %d", c.at, got, c.want)
		}
	}
}

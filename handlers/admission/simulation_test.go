//go:build !race

package admission

import (
	"math/rand/v2"
	"slices"
	"time"
)

// simulation is a store in virtual time: requests come at random, wait in one queue, are
// served one at a time, and are told so after a delay.
type simulation struct {
	a       *Controller
	now     time.Duration
	service time.Duration // of one request, so capacity is one by this
	delay   time.Duration // on top of it, whatever the queue
	no      time.Duration // of saying no, in the place of service
	clients int           // that wait for an answer before they ask again; 0: an open loop
	free    time.Duration // when the store will have served what it has
	leaving []departure   // by time
	random  *rand.Rand

	accepted []time.Duration // what the answers took
	shed     int
	lastShed time.Duration
}

// departure is an answer to come; a no took nothing.
type departure struct{ at, took time.Duration }

func newSimulation(most int, capacity float64, delay time.Duration) *simulation {
	return &simulation{
		a: New(most), service: time.Duration(float64(time.Second) / capacity), delay: delay,
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
		if s.clients > 0 && len(s.leaving) == s.clients {
			continue
		}
		if !s.a.Enter(Short, s.time()) {
			s.shed++
			s.lastShed = s.now
			if s.no > 0 {
				s.free = max(s.free, s.now) + s.no
				s.depart(departure{at: s.free})
			}
			continue
		}
		s.free = max(s.free, s.now) + s.service
		d := departure{s.free + s.delay, s.free + s.delay - s.now}
		s.depart(d)
		s.accepted = append(s.accepted, d.took)
	}
	slices.Sort(s.accepted)
	n := len(s.accepted)
	return s.accepted[n*99/100], float64(n) * s.service.Seconds() / (end - begin).Seconds(), float64(s.shed) / float64(s.shed+n)
}

// depart adds one: the last, unless the delay is another for it.
func (s *simulation) depart(d departure) {
	i := len(s.leaving)
	for i > 0 && s.leaving[i-1].at > d.at {
		i--
	}
	s.leaving = slices.Insert(s.leaving, i, d)
}

// leave ends what has its answer by now.
func (s *simulation) leave() {
	for len(s.leaving) > 0 && s.leaving[0].at <= s.now {
		if d := s.leaving[0]; d.took > 0 {
			s.a.Leave(Short, start.Add(d.at), d.took)
		}
		s.leaving = s.leaving[1:]
	}
}

// start is when a simulation begins: long after epoch, as most of a server's life is.
var start = epoch.Add(time.Hour)

func (s *simulation) time() time.Time { return start.Add(s.now) }

// crest is how long an overload goes on until its queue is found and gone, at the latest:
// until as many are in flight as are let in whatever they take, until that is seen to
// stand, and until the queue of these times has been served.
func (s *simulation) crest() time.Duration {
	return (time.Duration(s.a.max/freeShare)*s.service + standingWindows*window) * 5 / 2
}

package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store"
)

const (
	// maxFlying is how many flights of a lane may be on their way at once. With two,
	// Redis works on one while the reply of the other is read.
	maxFlying = 2
	// secondFlight is how many must wait before a second flight goes while one is on
	// its way: each costs both sides some 15 us, whatever it carries, so one of few
	// costs more than it saves. (16, 32 and 64 measured alike with 64 clients.)
	secondFlight = 64
	// expiryTicks is how many times in a timeout those who wait are looked at.
	expiryTicks = 20
)

// lane sends what many callers want of Redis in shared flights, each one write to
// the connection. A caller that finds none on its way goes at once, alone; those
// that come meanwhile go together when it is back. So a lone one never waits for
// company, and there is no timer: an idle server adds no delay.
//
// T is what a caller waits for, C what a flight needs for itself.
type lane[T passenger, C any] struct {
	// most returns how many a flight may carry, at least 1.
	most func() int
	// send takes a flight to Redis and waits for the reply.
	send func(*flight[T, C])
	// answer fills in each passenger's answer from the reply.
	answer func(*flight[T, C])
	// timeout is the longest wait of a caller.
	timeout time.Duration
	// circuit refuses callers while Redis does not answer.
	circuit *circuit

	mu       sync.Mutex
	waiting  []T             // in the order they came
	parked   []T             // those to go again, until a while has passed
	boarding bool            // whether a flight is about to take who waits
	flying   []*flight[T, C] // at most maxFlying
	expiring bool            // whether expire runs
	// tick counts while somebody waits, expiryTicks in a timeout. Callers take
	// their time by it: to ask the clock costs more than the rest of a join.
	tick uint32

	flights sync.Pool // of *flight[T, C]
}

// flight is what one round trip carries. Its passengers do not change on the way.
type flight[T passenger, C any] struct {
	passengers []T
	cargo      C
	// lost says that rueidis may still read what was sent, since no reply came: it
	// must not be used again.
	lost bool
}

// passenger is what waits in a lane. While it waits and flies it belongs to the
// lane: a caller who gives up leaves it behind.
type passenger interface{ itsSeat() *seat }

// seat is the part of a passenger that the lane needs.
type seat struct {
	since uint32 // tick of joining
	state atomic.Uint32
	done  chan struct{} // gets an element when state leaves seatTaken
	// again is set by answer if Redis refused, without doing anything, what another
	// flight may well do.
	again bool
}

// The states of a seat.
const (
	seatTaken uint32 = iota
	seatAnswered
	seatExpired
)

func newSeat() seat { return seat{done: make(chan struct{}, 1)} }

func (s *seat) itsSeat() *seat { return s }

// finish lets s leave seatTaken and wakes its caller, unless that has happened.
func (s *seat) finish(state uint32) {
	if s.state.CompareAndSwap(seatTaken, state) {
		s.done <- struct{}{}
	}
}

// errNoAnswer is the end of a wait that took too long. What was sent may have been
// done all the same.
var errNoAnswer = fmt.Errorf("%w: no answer in time", store.ErrUnavailable)

// ride takes q to Redis and back. A nil error means that its answer is filled in
// and that q is the caller's again; otherwise it must not be used again.
func (l *lane[T, C]) ride(ctx context.Context, q T) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if err := l.circuit.refused(); err != nil {
		return err
	}
	s := q.itsSeat()
	s.state.Store(seatTaken)
	l.mu.Lock()
	s.since = l.tick
	l.waiting = append(l.waiting, q)
	l.call()
	l.mu.Unlock()
	if end := ctx.Done(); end == nil {
		<-s.done // a third of the cost of a select
	} else {
		select {
		case <-s.done:
		case <-end:
			s.finish(seatExpired)
			<-s.done
		}
	}
	if s.state.Load() == seatExpired {
		return errNoAnswer
	}
	return nil
}

// call has the next flight go if one may. mu is held.
func (l *lane[T, C]) call() {
	if l.boarding || len(l.waiting) == 0 || len(l.flying) == maxFlying || len(l.flying) > 0 && len(l.waiting) < secondFlight {
		return
	}
	l.boarding = true
	go l.fly()
	if !l.expiring {
		l.expiring = true
		go l.expire()
	}
}

// board makes a flight of those who wait, or returns nil if all have given up.
func (l *lane[T, C]) board() *flight[T, C] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.boarding = false
	// Whoever has given up, or whose time ran out while parked, is not sent any more.
	l.waiting = slices.DeleteFunc(l.waiting, func(q T) bool { return q.itsSeat().state.Load() != seatTaken })
	if len(l.waiting) == 0 {
		return nil
	}
	f, _ := l.flights.Get().(*flight[T, C])
	if f == nil {
		f = new(flight[T, C])
	}
	n := min(len(l.waiting), l.most())
	f.passengers = append(f.passengers[:0], l.waiting[:n]...)
	left := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[left:])
	l.waiting = l.waiting[:left]
	l.flying = append(l.flying, f)
	l.call()
	return f
}

// fly makes a flight and carries it.
func (l *lane[T, C]) fly() {
	// Whoever is about to join, since its request has been read, may: that makes
	// flights fuller where the server is what is busy, and takes no time where it is
	// not.
	runtime.Gosched()
	if f := l.board(); f != nil {
		l.carry(f)
	}
}

// carry takes a flight to Redis and back and tells its passengers.
func (l *lane[T, C]) carry(f *flight[T, C]) {
	l.send(f)
	l.mu.Lock()
	l.flying = slices.DeleteFunc(l.flying, func(other *flight[T, C]) bool { return other == f })
	l.call() // the next goes out while these are told: Redis need not wait
	l.mu.Unlock()
	l.answer(f)
	var again []T
	for _, q := range f.passengers {
		if s := q.itsSeat(); s.again {
			s.again = false
			again = append(again, q)
		} else {
			s.finish(seatAnswered)
		}
	}
	if len(again) > 0 {
		l.park(again)
	}
	clear(f.passengers)
	if !f.lost {
		l.flights.Put(f)
	}
}

// park lets passengers wait a while, and then for a flight again.
func (l *lane[T, C]) park(passengers []T) {
	l.mu.Lock()
	l.parked = append(l.parked, passengers...)
	l.mu.Unlock()
	time.AfterFunc(shortestWait+rand.N(longestWait/2), func() {
		l.mu.Lock()
		l.waiting = append(l.waiting, l.parked...)
		clear(l.parked)
		l.parked = l.parked[:0]
		l.call()
		l.mu.Unlock()
	})
}

// expire ends the wait of callers whose time is up, until none waits. Looking at
// all of them now and then costs less than a timer for each.
func (l *lane[T, C]) expire() {
	every := max(l.timeout/expiryTicks, time.Millisecond)
	// The first tick may come right after the joining.
	limit := uint32((l.timeout+every-1)/every) + 1
	silence := false // whether somebody's time was up
	late := func(q T) bool {
		if l.tick-q.itsSeat().since < limit {
			return false
		}
		q.itsSeat().finish(seatExpired)
		silence = true
		return true
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for range ticker.C {
		l.mu.Lock()
		l.tick++
		l.waiting = slices.DeleteFunc(l.waiting, late)
		l.parked = slices.DeleteFunc(l.parked, late)
		for _, f := range l.flying {
			for _, q := range f.passengers {
				late(q)
			}
		}
		idle := len(l.waiting)+len(l.parked)+len(l.flying) == 0 && !l.boarding
		l.expiring = !idle
		l.mu.Unlock()
		if silence {
			l.circuit.suspect()
			silence = false
		}
		if idle {
			return
		}
	}
}

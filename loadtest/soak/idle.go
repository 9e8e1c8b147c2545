//go:build linux

package main

import (
	"fmt"
	"time"

	"rest-sessions/loadtest/site"
)

const (
	// idleMemory is what an idle connection may cost the server at most, in bytes.
	idleMemory = 32 << 10
	// giveBackLimit is how long after they have left their memory is given back at the
	// latest: the server looks every 15 s whether a crowd has left, and twice.
	giveBackLimit = 40 * time.Second
)

// standIdle opens n connections, each of which has had an answer, and lets them say nothing
// while the others ask at a rate; then it closes them.
func (f *fleet) standIdle(s *site.Site, n int, rate float64, tell func(string, answers) (int, int, error), broken func(bool, string, ...any)) error {
	goroutines, memory, err := s.Measure()
	if err != nil {
		return err
	}
	idle := &fleet{addr: f.addr}
	defer idle.close()
	if err := idle.connect(n); err != nil {
		return err
	}
	beside, took, err := tell("beside idle", f.openLoop(rate, step))
	if err != nil {
		return err
	}
	each := (took - memory) / n
	fmt.Printf("%d idle connections cost %.1f KiB and %.2f goroutines each\n", n, float64(each)/1024, float64(beside-goroutines)/float64(n))
	broken(each > idleMemory, "an idle connection costs %d bytes", each)
	idle.close()
	left := time.Now()
	for {
		time.Sleep(time.Second)
		count, now, err := s.Measure()
		if err != nil {
			return err
		}
		back := count < goroutines+n/10 && now < memory+(took-memory)/4
		if since := time.Since(left); back || since > giveBackLimit {
			fmt.Printf("%.0f s after they left: %d goroutines, %.1f MiB; before them %d, %.1f MiB\n",
				since.Seconds(), count, float64(now)/(1<<20), goroutines, float64(memory)/(1<<20))
			broken(!back, "goroutines or memory of idle connections are not given back")
			return nil
		}
	}
}

package rawio

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline is when a transfer fails that has to wait. A server sets several a request, and
// a connection's own costs as much as a small write. So it gets one only if a transfer waits
// and the one that it has is later, or has passed.
type deadline struct {
	set func(time.Time) error // of the connection

	mu      sync.Mutex
	asked   time.Time // zero for none
	armed   time.Time // what the connection has
	waiting bool
}

// ask sets the deadline. It holds for a transfer that waits, too.
func (d *deadline) ask(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = at
	if d.waiting {
		return d.arm()
	}
	return nil
}

// wait is called before a transfer waits.
func (d *deadline) wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = true
	if !d.asked.IsZero() && (d.armed.IsZero() || d.asked.Before(d.armed)) {
		d.arm()
	}
}

// early reports whether a transfer failed at a deadline that was before the one asked for:
// then it goes on.
func (d *deadline) early(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.asked.Equal(d.armed) && errors.Is(err, os.ErrDeadlineExceeded) && d.arm() == nil
}

// done is called after a transfer that may have waited.
func (d *deadline) done() {
	d.mu.Lock()
	d.waiting = false
	d.mu.Unlock()
}

// arm gives the connection the deadline that was asked for. mu is held.
func (d *deadline) arm() error {
	d.armed = d.asked
	return d.set(d.asked)
}

// Package sources keeps account, by the address that requests come from, of what looks
// like guessing: failed tries with keys, and tokens that name no session. Requests that
// succeed do not come here. It knows no HTTP routes.
package sources

import (
	"cmp"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"rest-sessions/internal/pseudonym"
)

// DefaultMissWarn is how many misses of one source within a minute are worth a line in
// the log. A web tier passes on its visitors' stale cookies, so some are usual.
const DefaultMissWarn = 1000

const (
	// AttemptBurst failed tries of a source are answered 401, then one every
	// AttemptEvery; all others are 429.
	AttemptBurst = 10
	AttemptEvery = 6 * time.Second
)

const (
	// maxSources bounds the sources that are remembered, at some 300 bytes each;
	// past it the one that was silent longest is forgotten, and starts afresh.
	maxSources = 8192
	// missWindow is the time that misses of a source are counted for.
	missWindow = time.Minute
	// warnBurst lines about sources may be logged at once, then one every
	// warnEvery: a client that shows a thousand addresses does not fill a disk.
	warnBurst = 10
	warnEvery = 6 * time.Second
)

// Options say what is worth a line in the log. What is zero has its default.
type Options struct {
	MissWarn   int                              // misses of a source in a minute; default DefaultMissWarn, negative for none
	Logf       func(format string, args ...any) // gets the lines
	Pseudonyms *pseudonym.Maker                 // for addresses in the lines; nil: they are shown
}

// Table is what is known of the sources. Its methods are safe for concurrent use.
type Table struct {
	Options

	mu    sync.Mutex
	known *simplelru.LRU[netip.Addr, *source]
	warn  *rate.Limiter
}

// source is what is known of one.
type source struct {
	attempts *rate.Limiter
	limited  bool // whether the last try was over the limit: that is logged once

	windowEnd time.Time
	misses    int // until windowEnd
}

// New makes a table that knows of no source.
func New(o Options) *Table {
	known, err := simplelru.NewLRU[netip.Addr, *source](maxSources, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	o.MissWarn = cmp.Or(o.MissWarn, DefaultMissWarn)
	return &Table{Options: o, known: known, warn: rate.NewLimiter(rate.Every(warnEvery), warnBurst)}
}

// of returns what is known of the source at addr. mu is held.
func (t *Table) of(addr netip.Addr) *source {
	if known, ok := t.known.Get(addr); ok {
		return known
	}
	fresh := &source{attempts: rate.NewLimiter(rate.Every(AttemptEvery), AttemptBurst)}
	t.known.Add(addr, fresh)
	return fresh
}

// Failed counts a failed try. If the source has made too many, it returns how long
// until the next one is answered, else 0.
func (t *Table) Failed(addr netip.Addr, now time.Time) time.Duration {
	wait, warn := t.attempt(addr, now)
	if warn {
		t.Logf("warning: %s sends requests without a valid API key; from now on it gets 429, except for one request in %v", t.name(addr), AttemptEvery)
	}
	return wait
}

// attempt is Failed without its line in the log, which is not written under mu.
func (t *Table) attempt(addr netip.Addr, now time.Time) (wait time.Duration, warn bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.of(addr)
	r := from.attempts.ReserveN(now, 1)
	wait = r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // one that is refused takes nothing
	}
	if limited := wait > 0; limited != from.limited {
		from.limited = limited
		warn = limited && t.warn.AllowN(now, 1)
	}
	return wait, warn
}

// Missed counts a token that names no session, and logs a line when the source has
// reached the threshold, once a window.
func (t *Table) Missed(addr netip.Addr, now time.Time) {
	if t.MissWarn < 0 {
		return
	}
	if t.miss(addr, now) {
		t.Logf("warning: %s asked for %d tokens within %v that name no session: stale cookies, or someone guesses tokens",
			t.name(addr), t.MissWarn, missWindow)
	}
}

// miss counts a miss and reports whether it is worth a line.
func (t *Table) miss(addr netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.of(addr)
	if now.After(from.windowEnd) {
		from.windowEnd, from.misses = now.Add(missWindow), 0
	}
	from.misses++
	return from.misses == t.MissWarn && t.warn.AllowN(now, 1)
}

// Of returns the source of requests from a peer: its address, which cannot be forged as
// a header can; of IPv6 the network, since a client has a whole one (/64); for a Unix
// socket the zero Addr, since its peers have no address.
func Of(peer net.Addr) netip.Addr {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}

// name is what the log calls a source.
func (t *Table) name(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "a client on the Unix socket"
	case addr.Is6():
		return t.Pseudonyms.Text(addr.String() + "/64")
	default:
		return t.Pseudonyms.Text(addr.String())
	}
}

package handlers

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"rest-sessions/internal/pseudonym"
)

// DefaultMissWarn is how many misses of one source within a minute are worth a line in
// the log. A web tier passes on its visitors' stale cookies, so some are usual.
const DefaultMissWarn = 1000

const (
	// maxSources bounds the sources that are remembered, at some 300 bytes each;
	// past it the one that was silent longest is forgotten, and starts afresh.
	maxSources = 8192
	// attemptBurst failed tries of a source are answered 401, then one every
	// attemptEvery; all others are 429.
	attemptBurst = 10
	attemptEvery = 6 * time.Second
	// missWindow is the time that misses of a source are counted for.
	missWindow = time.Minute
	// warnBurst lines about sources may be logged at once, then one every
	// warnEvery: a client that shows a thousand addresses does not fill a disk.
	warnBurst = 10
	warnEvery = 6 * time.Second
)

// sources keeps account, by the address that requests come from, of what looks like
// guessing: failed tries with keys, and tokens that name no session. Requests that
// succeed do not come here.
type sources struct {
	missWarn int // misses in a missWindow that are worth a line; 0 for none
	logf     func(format string, args ...any)
	hide     *pseudonym.Maker // nil if addresses are shown

	mu    sync.Mutex
	table *simplelru.LRU[netip.Addr, *source]
	warn  *rate.Limiter
}

// source is what is known of one.
type source struct {
	attempts *rate.Limiter
	limited  bool // whether the last try was over the limit: that is logged once

	windowEnd time.Time
	misses    int // until windowEnd
}

func newSources(logf func(format string, args ...any)) *sources {
	table, err := simplelru.NewLRU[netip.Addr, *source](maxSources, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &sources{missWarn: DefaultMissWarn, logf: logf, table: table, warn: rate.NewLimiter(rate.Every(warnEvery), warnBurst)}
}

// of returns what is known of the source at addr. mu is held.
func (s *sources) of(addr netip.Addr) *source {
	if known, ok := s.table.Get(addr); ok {
		return known
	}
	fresh := &source{attempts: rate.NewLimiter(rate.Every(attemptEvery), attemptBurst)}
	s.table.Add(addr, fresh)
	return fresh
}

// failed counts a failed try. If the source has made too many, it returns how long
// until the next one is answered, else 0.
func (s *sources) failed(addr netip.Addr, now time.Time) time.Duration {
	wait, warn := s.attempt(addr, now)
	if warn {
		s.logf("warning: %s sends requests without a valid API key; from now on it gets 429, except for one request in %v", s.name(addr), attemptEvery)
	}
	return wait
}

// attempt is failed without its line in the log, which is not written under mu.
func (s *sources) attempt(addr netip.Addr, now time.Time) (wait time.Duration, warn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.of(addr)
	r := from.attempts.ReserveN(now, 1)
	wait = r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // one that is refused takes nothing
	}
	if limited := wait > 0; limited != from.limited {
		from.limited = limited
		warn = limited && s.warn.AllowN(now, 1)
	}
	return wait, warn
}

// missed counts a token that names no session, and logs a line when the source has
// reached the threshold, once a window.
func (s *sources) missed(addr netip.Addr, now time.Time) {
	if s.missWarn == 0 {
		return
	}
	if s.miss(addr, now) {
		s.logf("warning: %s asked for %d tokens within %v that name no session: stale cookies, or someone guesses tokens",
			s.name(addr), s.missWarn, missWindow)
	}
}

// miss counts a miss and reports whether it is worth a line.
func (s *sources) miss(addr netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.of(addr)
	if now.After(from.windowEnd) {
		from.windowEnd, from.misses = now.Add(missWindow), 0
	}
	from.misses++
	return from.misses == s.missWarn && s.warn.AllowN(now, 1)
}

// missed counts a request for a token, well formed, that names no session.
func (a *API) missed(ctx *fasthttp.RequestCtx) {
	a.metrics.Missed()
	a.sources.missed(sourceOf(ctx), ctx.Time())
}

// sourceOf returns the address that a request is counted by: that of the peer, which
// cannot be forged as a header can; of IPv6 the network, since a client has a whole
// one (/64); for a Unix socket the zero Addr, since its peers have no address.
func sourceOf(ctx *fasthttp.RequestCtx) netip.Addr {
	peer, ok := ctx.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := peer.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}

// name is what the log calls a source.
func (s *sources) name(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "a client on the Unix socket"
	case addr.Is6():
		return s.hide.Text(addr.String() + "/64")
	default:
		return s.hide.Text(addr.String())
	}
}

// isLocal reports whether the peer is on this machine.
func isLocal(ctx *fasthttp.RequestCtx) bool {
	peer, ok := ctx.RemoteAddr().(*net.TCPAddr)
	return !ok || peer.IP.IsLoopback()
}

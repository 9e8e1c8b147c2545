package sources

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// log is what was logged.
type log struct{ strings.Builder }

func (l *log) printf(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestFailedTries(t *testing.T) {
	var log log
	s := New(Options{Logf: log.printf})
	bad, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range AttemptBurst {
		if wait := s.Failed(bad, noon); wait != 0 {
			t.Errorf("try %d waits %v", i, wait)
		}
	}
	for range 1000 { // tries over the limit do not push the next one away
		if wait := s.Failed(bad, noon); wait != AttemptEvery {
			t.Fatalf("over the limit: %v", wait)
		}
	}
	if wait := s.Failed(other, noon); wait != 0 {
		t.Errorf("another source waits %v", wait)
	}
	if wait := s.Failed(bad, noon.Add(AttemptEvery-time.Second)); wait != time.Second {
		t.Errorf("a second too early: %v", wait)
	}
	if wait := s.Failed(bad, noon.Add(AttemptEvery)); wait != 0 {
		t.Errorf("in time: %v", wait)
	}
	if n := strings.Count(log.String(), "192.0.2.1 sends requests without"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

// TestManySources comes from more addresses than are remembered.
func TestManySources(t *testing.T) {
	var log log
	s := New(Options{MissWarn: 1, Logf: log.printf})
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxSources {
		s.Missed(addr(i), noon)
		s.Failed(addr(i), noon)
	}
	if n := s.known.Len(); n != maxSources {
		t.Errorf("%d are remembered, not %d", n, maxSources)
	}
	if n := strings.Count(log.String(), "\n"); n != warnBurst {
		t.Errorf("%d lines, not %d", n, warnBurst)
	}
	// The last are still there, the first start afresh.
	for range AttemptBurst - 1 {
		s.Failed(addr(3*maxSources-1), noon)
	}
	if s.Failed(addr(3*maxSources-1), noon) == 0 {
		t.Error("the newest source was forgotten")
	}
	if s.Failed(addr(0), noon) != 0 {
		t.Error("the oldest source was not forgotten")
	}
}

func TestMisses(t *testing.T) {
	var log log
	s := New(Options{MissWarn: 3, Logf: log.printf})
	at := netip.MustParseAddr("192.0.2.1")
	lines := func() int { return strings.Count(log.String(), "192.0.2.1 asked for 3 tokens") }
	for i, want := range []int{0, 0, 1, 1, 1} {
		s.Missed(at, noon.Add(time.Duration(i)*time.Second))
		if lines() != want {
			t.Errorf("after %d misses: %d lines", i+1, lines())
		}
	}
	// Two in the next window are no news, three are.
	for i, want := range []int{1, 1, 2} {
		s.Missed(at, noon.Add(missWindow+time.Duration(i+1)*time.Second))
		if lines() != want {
			t.Errorf("%d in the second window: %d lines", i+1, lines())
		}
	}
	s = New(Options{MissWarn: -1, Logf: log.printf})
	for range 10 {
		s.Missed(netip.MustParseAddr("192.0.2.2"), noon)
	}
	if strings.Contains(log.String(), "192.0.2.2") {
		t.Error("a line although none is wanted")
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1}, "192.0.2.7"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 2}, "192.0.2.7"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3:4:5:6"), Port: 3}, "2001:db8:1:2::/64"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2::9"), Port: 4}, "2001:db8:1:2::/64"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, "fe80::/64"},
		{&net.UnixAddr{Name: "@", Net: "unix"}, "a client on the Unix socket"},
		{&net.UnixAddr{Net: "unix"}, "a client on the Unix socket"},
	} {
		if got := new(Table).name(Of(c.addr)); got != c.want {
			t.Errorf("%v is %s, not %s", c.addr, got, c.want)
		}
	}
}

func BenchmarkMissed(b *testing.B) {
	for _, sources := range []int{1, 2 * maxSources} {
		b.Run(fmt.Sprint(sources), func(b *testing.B) {
			s := New(Options{Logf: b.Logf})
			now := time.Now()
			for i := 0; b.Loop(); i++ {
				n := i % sources
				s.Missed(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), now)
			}
		})
	}
}

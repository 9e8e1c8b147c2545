package redis

import (
	"bytes"
	"context"
	"errors"
	"net"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// stallingProxy passes connections on to a Redis; what comes on those that subscribe it
// holds back while it stalls, and of requests the first that holds names, until released.
type stallingProxy struct {
	net.Listener
	stalls atomic.Bool
	holds  atomic.Pointer[hold]
	mu     sync.Mutex
	subs   []net.Conn
}

// hold is a request that is held back.
type hold struct {
	what           *regexp.Regexp
	held, released chan struct{} // closed then
}

// hold holds back the next request that matches.
func (p *stallingProxy) hold(what string) *hold {
	h := &hold{regexp.MustCompile(what), make(chan struct{}), make(chan struct{})}
	p.holds.Store(h)
	return h
}

func startStallingProxy(t *testing.T, server *redistest.Server) *stallingProxy {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &stallingProxy{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp4", server.Addr())
			if err != nil {
				in.Close()
				continue
			}
			var subscribes atomic.Bool
			go p.pass(out, in, func(b []byte) {
				if h := p.holds.Load(); h != nil && h.what.Match(b) && p.holds.CompareAndSwap(h, nil) {
					close(h.held)
					<-h.released
				}
				if bytes.Contains(b, []byte("SUBSCRIBE")) && !subscribes.Swap(true) {
					p.mu.Lock()
					p.subs = append(p.subs, in)
					p.mu.Unlock()
				}
			})
			go p.pass(in, out, func([]byte) {
				for subscribes.Load() && p.stalls.Load() {
					time.Sleep(time.Millisecond)
				}
			})
		}
	}()
	return p
}

func (p *stallingProxy) pass(to, from net.Conn, before func([]byte)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		before(b[:n])
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut closes the connections that subscribe.
func (p *stallingProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.subs {
		c.Close()
	}
	p.subs = nil
}

// openBehind opens a store with near reads behind the proxy.
func openBehind(t *testing.T, proxy *stallingProxy) *Store {
	t.Helper()
	s, err := Open(Options{
		Host: "127.0.0.1", Port: proxy.Addr().(*net.TCPAddr).Port, Namespace: "t", Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf, Cache: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
	return s
}

// readNear reads a session until a read is answered near, and returns that answer.
func readNear(t *testing.T, s *Store, token string) (session store.Session) {
	t.Helper()
	eventually(t, "it is answered near", func() bool {
		before := s.near.Figures().Hits
		session = get(t, s, token)
		return s.near.Figures().Hits > before
	})
	return session
}

// TestNearLease has what others publish no longer reach a server: a session that another
// one ends is answered for 200 ms at most.
func TestNearLease(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	other := openNear(t, server, "t", 10*time.Second)
	s := openBehind(t, proxy)
	ctx := context.Background()
	lost := uint64(0)
	for name, breaks := range map[string]func(){
		"stalled": func() { proxy.stalls.Store(true) },
		"cut":     proxy.cut,
	} {
		eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
		token := create(t, s, "app", "user", 1000)
		eventually(t, "it is answered near", func() bool {
			before := s.near.Figures().Hits
			get(t, s, token)
			return s.near.Figures().Hits > before
		})
		breaks()
		if ok, err := other.Kill(ctx, "app", token); !ok || err != nil {
			t.Fatal(ok, err)
		}
		killed := time.Now()
		answers := 0
		for {
			begun := time.Now()
			if _, err := s.Get(ctx, "app", token); errors.Is(err, store.ErrNotFound) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if answers++; begun.Sub(killed) > 200*time.Millisecond {
				t.Fatalf("%s: the session answers %v after its end", name, begun.Sub(killed))
			}
		}
		t.Logf("%s: %d answers, until %v after the end", name, answers, time.Since(killed))
		proxy.stalls.Store(false)
		lost++
		eventually(t, "near reads are on again", func() bool {
			f := s.near.Figures()
			return f.Lease && f.LeasesLost >= lost
		})
	}
}

// TestNearPausedRedis stops Redis: what is answered near is so for 200 ms at most.
func TestNearPausedRedis(t *testing.T) {
	server := redistest.Start(t)
	s := openNear(t, server, "t", 10*time.Second)
	token := create(t, s, "app", "user", 1000)
	eventually(t, "it is answered near", func() bool {
		before := s.near.Figures().Hits
		get(t, s, token)
		return s.near.Figures().Hits > before
	})
	server.Pause()
	defer server.Resume()
	paused := time.Now()
	var last time.Duration
	for time.Since(paused) < 500*time.Millisecond {
		begun := time.Since(paused)
		before := s.near.Figures().Hits
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		_, err := s.Get(ctx, "app", token)
		cancel()
		if err == nil && s.near.Figures().Hits > before {
			last = begun
		}
	}
	if t.Logf("the last answer %v after Redis stopped", last); last > 200*time.Millisecond {
		t.Error("that is too late")
	}
}

// TestNearRefused reads a session near, and then asks for it while calls fail at once, since
// Redis is stopped: what was read is not lost by that, and is counted once Redis goes on.
func TestNearRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, err := Open(Options{
		Host: "127.0.0.1", Port: server.Port(), Namespace: "t", Timeout: briefTimeout, DialTimeout: briefTimeout, Logf: t.Logf, Cache: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
	token, other := patiently(t, server, "app", "user", 1000), patiently(t, server, "app", "user", 1000)
	eventually(t, "it is answered near", func() bool {
		before := s.near.Figures().Hits
		_, err := s.Get(context.Background(), "app", token)
		return err == nil && s.near.Figures().Hits > before
	})
	server.Pause()
	resumed := sync.OnceFunc(func() { server.Resume() })
	defer resumed()
	ctx := context.Background()
	eventually(t, "calls fail at once", func() bool {
		s.Get(ctx, "app", other)
		return s.client.Refused() != nil
	})
	_, err1 := s.Get(ctx, "app", token)
	_, err2 := s.Set(ctx, "app", token, nil)
	if !errors.Is(err1, store.ErrUnavailable) || !errors.Is(err2, store.ErrUnavailable) {
		t.Errorf("meanwhile: %v, %v", err1, err2)
	}
	resumed()
	eventually(t, "calls are sent again", func() bool { return s.client.Refused() == nil })
	s.near.Flush()
	if f := s.near.Figures(); f.LateLost != 0 || f.LateReads == 0 {
		t.Errorf("%d reads are lost, %d counted", f.LateLost, f.LateReads)
	}
}

// TestNearCountsAll has two servers read, change and touch the same sessions at once, while
// one of them often hears nothing. Once all is flushed, every read is counted, once.
func TestNearCountsAll(t *testing.T) {
	server := redistest.Start(t)
	proxy := startStallingProxy(t, server)
	var servers []*Store
	for _, port := range []int{server.Port(), proxy.Addr().(*net.TCPAddr).Port} {
		s, err := Open(Options{Host: "127.0.0.1", Port: port, Namespace: "t", Timeout: testTimeout, DialTimeout: testTimeout, Logf: t.Logf, Cache: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		eventually(t, "near reads are on", func() bool { return s.near.Figures().Lease })
		servers = append(servers, s)
	}
	const sessions = 4
	var tokens [sessions]string
	var reads, writes [sessions]atomic.Int64
	for i := range tokens {
		tokens[i] = create(t, servers[0], "app", "user", 1000)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for worker := range 8 {
		s := servers[worker%2]
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				i := (n/50 + worker) % sessions
				var err error
				switch n % 100 {
				case 17:
					writes[i].Add(1)
					_, err = s.Set(context.Background(), "app", tokens[i], number(n))
				case 57:
					_, err = s.Touch(context.Background(), "app", tokens[i], 1000, 0)
				default:
					reads[i].Add(1)
					_, err = s.Get(context.Background(), "app", tokens[i])
				}
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(50 * time.Microsecond)
			}
		})
	}
	for ctx.Err() == nil {
		time.Sleep(300 * time.Millisecond)
		proxy.stalls.Store(!proxy.stalls.Load())
	}
	wg.Wait()
	proxy.stalls.Store(false)
	var hits uint64
	for _, s := range servers {
		s.near.Flush()
		hits += s.near.Figures().Hits
	}
	for i, token := range tokens {
		session, err := servers[0].Peek(context.Background(), "app", token)
		if err != nil || session.R != 1+reads[i].Load() || session.W != 1+writes[i].Load() {
			t.Errorf("session %d has r %d and w %d after %d reads and %d writes (%v)", i, session.R, session.W, reads[i].Load(), writes[i].Load(), err)
		}
	}
	if t.Logf("%d hits", hits); hits < 1000 {
		t.Error("hardly a read was answered near")
	}
}

package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

const (
	// bigEnv is how many sessions the big app has; the wipe finds half as many that
	// are over.
	bigEnv = "BIGAPP"
	// bigRate is the rate of the reads whose p99 is taken, far below saturation: the
	// wait for others is meant, not that for a free core.
	bigRate = 500
	// bigSlice is the length of a slice of the load. What is measured is a whole
	// number of them.
	bigSlice = time.Second
	// quietSlices are taken before each operation, and after the last.
	quietSlices = 5
	// slowMicros is what no call of ours may take of Redis, in microseconds.
	slowMicros = 2000
)

// BenchmarkBigApp takes the p99 of gets while lists and mass removals of a big app
// are under way, against that of quiet seconds right before and after, and looks
// at Redis' slow log and the server's memory. It takes some five minutes; run it with
// -benchtime 1x:
//
//	BENCH=BigApp/redis BENCHTIME=1x scripts/bench
func BenchmarkBigApp(b *testing.B) {
	n := sessionsOf(b, bigEnv)
	b.Run("redis", func(b *testing.B) {
		server := redistest.Start(b, "--slowlog-log-slower-than", strconv.Itoa(slowMicros), "--slowlog-max-len", "10000")
		p := startServer(b, "redis "+strconv.Itoa(server.Port()))
		s := &bigSite{site: &site{p, server, seedServer(b, p.addr, 10_000)}}
		s.run(b, n, func(app string, n int, session func(i int) store.New) { seedBig(b, server, app, n, session) })
	})
	b.Run("embedded", func(b *testing.B) {
		p := startServer(b, "embedded")
		s := &bigSite{site: &site{p, nil, seedServer(b, p.addr, 10_000)}}
		s.run(b, n, func(app string, n int, session func(i int) store.New) { seedApp(b, p.addr, app, n, session) })
	})
}

// run starts the sessions and takes the figures of each operation.
func (s *bigSite) run(b *testing.B, n int, seed func(app string, n int, session func(i int) store.New)) {
	begin := time.Now()
	// 1 in 10 of the big app's sessions is of one user.
	seed("big", n, func(i int) store.New {
		session := newSession(i)
		if session.TTL = store.MaxTTL / 1000; i%10 == 0 {
			session.ID = "guest"
		}
		return session
	})
	seed("old", n/2, func(i int) store.New {
		session := newSession(i)
		session.TTL = store.MinTTL
		return session
	})
	b.Logf("%d sessions started in %v", n+n/2, time.Since(begin).Round(time.Second))
	time.Sleep((store.MinTTL + 3) * time.Second) // real time is what Redis' clock goes by
	if s.redis != nil {
		b.Logf("Redis holds %s", info(b, s.redis, "memory", "used_memory_human"))
	}
	s.before = s.quiet(b)
	s.during(b, "soapp", func(b *testing.B) string { return s.list(b, "/big/soapp?dt=100000") })
	s.during(b, "soid", func(b *testing.B) string { return s.list(b, "/big/soid/guest") })
	s.during(b, "soapp-pages", func(b *testing.B) string { return s.pages(b, "/big/soapp?dt=100000&limit=1000", max(1, n/1000/50)) })
	s.during(b, "wipe", func(b *testing.B) string { return s.ask(b, "PUT", "/wipe") })
	s.during(b, "killall", func(b *testing.B) string { return s.ask(b, "DELETE", "/big/killall") })
}

// bigSite is a server that is loaded while something else is under way.
type bigSite struct {
	*site
	before []load // the quiet slices before the next operation
}

// read is a slice of the load.
func (s *bigSite) read(b *testing.B) load {
	return pacedLoop(b, s.addr, get(app, s.tokens, Uniform(len(s.tokens))), bigSlice, bigRate)
}

func (s *bigSite) quiet(b *testing.B) (slices []load) {
	for range quietSlices {
		slices = append(slices, s.read(b))
	}
	return slices
}

// median returns the median over slices of a percentile, in microseconds: what else
// the machine does meanwhile comes in bursts.
func median(loads []load, percentile float64) float64 {
	all := make([]float64, len(loads))
	for i, l := range loads {
		all[i] = l.micros(percentile)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// whole returns a percentile over all slices together.
func whole(loads []load, percentile float64) float64 {
	all := load{latency: newHistogram()}
	for _, l := range loads {
		all.latency.Merge(l.latency)
	}
	return all.micros(percentile)
}

// during measures slices during an operation, and quiet ones after it.
func (s *bigSite) during(b *testing.B, name string, operation func(b *testing.B) string) {
	b.Run(name, func(b *testing.B) { s.measure(b, func() string { return operation(b) }) })
}

func (s *bigSite) measure(b *testing.B, operation func() string) {
	var redis redisWatch
	if s.redis != nil {
		redis = watchRedis(b, s.redis)
	}
	s.resetPeak(b)
	done := make(chan string, 1)
	begin := time.Now()
	go func() { done <- operation() }()
	var busy []load
	answer := ""
	for answer == "" {
		l := s.read(b)
		select {
		case answer = <-done:
			if len(busy) > 0 { // else all there is is a slice that it did not fill
				continue
			}
		default:
		}
		busy = append(busy, l)
	}
	took := time.Since(begin)
	peak := s.peak(b)
	about := ""
	if s.redis != nil {
		about = redis.report(b)
	}
	after := s.quiet(b)
	quiet := slices.Concat(s.before, after)
	s.before = after
	ratio := median(busy, 99) / median(quiet, 99)
	b.Logf("%s in %v; get in medians of seconds: p50 %.0f, p99 %.0f us, quiet p50 %.0f, p99 %.0f us: p99 x %.2f; all together: p99 %.0f us, quiet %.0f us: x %.2f; server's memory up to %d MiB%s",
		answer, took.Round(10*time.Millisecond), median(busy, 50), median(busy, 99), median(quiet, 50), median(quiet, 99), ratio,
		whole(busy, 99), whole(quiet, 99), whole(busy, 99)/whole(quiet, 99), peak>>20, about)
	b.ReportMetric(ratio, "p99/quiet")
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(float64(peak>>20), "MiB")
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

// seedBig starts n sessions through the engine, many at a time.
func seedBig(b *testing.B, server *redistest.Server, app string, n int, newSession func(i int) store.New) {
	b.Helper()
	s := openRedis(b, server)
	const workers = 256
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < n; i += workers {
				session := newSession(i)
				if _, err := s.Create(context.Background(), app, store.NewToken(session.ID), session); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// ask sends a request and returns the answer's body. It runs beside the benchmark,
// so what fails is told there.
func (s *bigSite) ask(b *testing.B, method, path string) string {
	request, _ := http.NewRequest(method, "http://"+s.addr+path, nil)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Error(err)
		return "failed"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Errorf("%s %s answers %d %.100s, %v", method, path, resp.StatusCode, body, err)
		return "failed"
	}
	return string(body)
}

// list reads a streamed list to its end and counts its sessions.
func (s *bigSite) list(b *testing.B, path string) string {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Error(err)
		return "failed"
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
	if err != nil {
		b.Error(err)
		return "failed"
	}
	defer resp.Body.Close()
	sessions, buffer, tail := 0, make([]byte, 64<<10), ""
	for {
		n, err := resp.Body.Read(buffer)
		const mark = `{"id":`
		text := tail + string(buffer[:n])
		sessions += strings.Count(text, mark)
		if tail = text[max(0, len(text)-len(mark)+1):]; err == io.EOF {
			return fmt.Sprintf("%d sessions", sessions)
		} else if err != nil {
			b.Error(err)
			return "failed"
		}
	}
}

// pages follows a list's cursors for so many pages.
func (s *bigSite) pages(b *testing.B, path string, most int) string {
	cursor, sessions := "", 0
	for n := 1; ; n++ {
		body := s.ask(b, "GET", path+cursor)
		sessions += strings.Count(body, `{"id":`)
		_, next, more := strings.Cut(body, `],"cursor":"`)
		if !more || n == most {
			return fmt.Sprintf("%d sessions in %d pages", sessions, n)
		}
		cursor = "&cursor=" + strings.TrimSuffix(next, `"}`)
	}
}

package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/redistest"
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
	quietSlices = 10
	// slowMicros is what no call of ours may take of Redis, in microseconds.
	slowMicros = 2000
)

// BenchmarkBigApp takes the p99 of gets while lists and mass removals of a big app
// are under way, against that of quiet seconds right before and after, and looks
// at Redis' slow log and the server's memory. Run it with -benchtime 1x:
//
//	BENCH=BigApp BENCHTIME=1x scripts/bench
func BenchmarkBigApp(b *testing.B) {
	n := 1_000_000
	if text := os.Getenv(bigEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1000 {
			b.Fatalf("%s is %q; it must be a number of sessions, at least 1000", bigEnv, text)
		}
	}
	server := redistest.Start(b, "--slowlog-log-slower-than", strconv.Itoa(slowMicros), "--slowlog-max-len", "10000")
	p := startServer(b, "redis "+strconv.Itoa(server.Port()))
	s := &bigSite{site: &site{p, server, seedServer(b, p.addr, 10_000)}}
	begin := time.Now()
	// 1 in 10 of the big app's sessions is of one user.
	seedBig(b, server, "big", n, store.MaxTTL/1000, func(i int) string {
		if i%10 == 0 {
			return "guest"
		}
		return userID(i)
	})
	seedBig(b, server, "old", n/2, store.MinTTL, userID)
	b.Logf("%d sessions started in %v", n+n/2, time.Since(begin).Round(time.Second))
	time.Sleep((store.MinTTL + 3) * time.Second) // real time is what Redis' clock goes by
	if used := info(b, server, "memory", "used_memory_human"); used != "" {
		b.Logf("Redis holds %s", used)
	}

	s.during(b, "soapp", func() string { return s.list(b, "/big/soapp?dt=100000") })
	s.during(b, "soid", func() string { return s.list(b, "/big/soid/guest") })
	s.during(b, "soapp-parts", func() string { return s.parts(b, "/big/soapp?dt=100000&limit=1000", n/1000/5) })
	s.during(b, "wipe", func() string { return s.ask(b, "PUT", "/wipe") })
	s.during(b, "killall", func() string { return s.ask(b, "DELETE", "/big/killall") })
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

// bigSite is a server that is loaded while something else is under way.
type bigSite struct{ *site }

// read is a slice of the load.
func (s *bigSite) read(b *testing.B) load {
	return openLoop(b, s.addr, get(app, s.tokens, Uniform(len(s.tokens))), bigSlice, bigRate)
}

// during measures quiet slices, then those during an operation, then quiet ones.
func (s *bigSite) during(b *testing.B, name string, operation func() string) {
	b.Helper()
	quiet, busy := newHistogram(), newHistogram()
	s.redis.Do(b, "SLOWLOG", "RESET")
	for range quietSlices {
		quiet.Merge(s.read(b).latency)
	}
	slowQuiet, _, _ := slowLog(b, s.redis)
	s.redis.Do(b, "SLOWLOG", "RESET")
	s.resetPeak(b)
	cpu := redisCPU(b, s.redis)
	done := make(chan string, 1)
	begin := time.Now()
	go func() { done <- operation() }()
	var answer string
	slices := 0
	for answer == "" {
		l := s.read(b)
		select {
		case answer = <-done:
			if slices > 0 { // else all there is is a slice that it did not fill
				continue
			}
		default:
		}
		busy.Merge(l.latency)
		slices++
	}
	took := time.Since(begin)
	peak := s.peak(b)
	cpu = redisCPU(b, s.redis) - cpu
	slow, longest, what := slowLog(b, s.redis)
	for range quietSlices {
		quiet.Merge(s.read(b).latency)
	}
	at := func(h interface{ ValueAtPercentile(float64) int64 }, p float64) float64 {
		return float64(h.ValueAtPercentile(p)) / 1000
	}
	ratio := at(busy, 99) / at(quiet, 99)
	b.Logf("%s: %s in %v (Redis CPU %v); get p50 %.0f, p99 %.0f us, quiet p50 %.0f, p99 %.0f us: p99 x %.2f; server's memory up to %d MiB; calls over %d us: %d (%d in %d quiet seconds)%s",
		name, answer, took.Round(10*time.Millisecond), cpu.Round(10*time.Millisecond), at(busy, 50), at(busy, 99), at(quiet, 50), at(quiet, 99), ratio, peak>>20, slowMicros, slow, slowQuiet, quietSlices, what)
	b.ReportMetric(ratio, name+"-p99/quiet")
	b.ReportMetric(float64(peak>>20), name+"-MiB")
	b.ReportMetric(float64(slow), name+"-slow-calls")
	b.ReportMetric(float64(longest), name+"-slowest-us")
}

// seedBig starts n sessions through the engine, many at a time.
func seedBig(b *testing.B, server *redistest.Server, app string, n int, ttl int64, id func(i int) string) {
	b.Helper()
	s := openRedis(b, server)
	const workers = 256
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < n; i += workers {
				session := store.New{ID: id(i), IP: "192.168.100.200", TTL: ttl}
				if err := s.Create(context.Background(), app, store.NewToken(session.ID), session); err != nil {
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

// parts follows a list's cursors for so many parts.
func (s *bigSite) parts(b *testing.B, path string, most int) string {
	cursor, sessions := "", 0
	for n := 1; ; n++ {
		body := s.ask(b, "GET", path+cursor)
		sessions += strings.Count(body, `{"id":`)
		_, next, more := strings.Cut(body, `],"cursor":"`)
		if !more || n == most {
			return fmt.Sprintf("%d sessions in %d parts", sessions, n)
		}
		cursor = "&cursor=" + strings.TrimSuffix(next, `"}`)
	}
}

// slowLog returns how many calls Redis logged as slow, the longest in microseconds,
// and what some of them were. Redis logs a script and also the command in it that was
// slow. Its clock goes on while another process has its core: where a command that
// does next to nothing is logged, the machine was busy with something else.
func slowLog(b *testing.B, server *redistest.Server) (calls, longest int, what string) {
	b.Helper()
	entries, _ := server.Do(b, "SLOWLOG", "GET", "-1").([]any)
	const shown = 5
	for i, e := range entries {
		entry := e.([]any)
		us, _ := strconv.Atoi(fmt.Sprint(entry[2]))
		longest = max(longest, us)
		if i < shown {
			what += fmt.Sprintf("; %d us %.60s", us, fmt.Sprint(entry[3]))
		}
	}
	return len(entries), longest, what
}

// info returns a line of a section of INFO.
func info(tb testing.TB, server *redistest.Server, section, name string) string {
	tb.Helper()
	for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", section))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// resetPeak has peak begin anew.
func (p process) resetPeak(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0); err != nil {
		tb.Logf("the server's memory is that of its whole life: %v", err)
	}
}

// peak returns the most resident memory that the process had, in bytes.
func (p process) peak(tb testing.TB) int {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		tb.Skipf("memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib << 10
}

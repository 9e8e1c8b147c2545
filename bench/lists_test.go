package bench

import (
	"bufio"
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

	"rest-sessions/handlers"
	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

const (
	// listSessions is how many sessions a list has.
	listSessions = 50_000
	// listAge is how long before the lists the sessions of one case were active last: longer
	// than a list reads again what moved while it began.
	listAge = 5 * time.Second
	// slowFor is for how long clients read their lists, slowRead bytes at a time.
	slowFor  = 15 * time.Second
	slowRead = 1 << 10
	slowWait = 50 * time.Millisecond
)

// BenchmarkLists takes the server's memory while as many lists as may be in flight are
// streamed at once to clients that read slowly. Sessions that are active as a list begins
// are found more than once, which takes more. Run it with -benchtime 1x:
//
//	BENCH=Lists BENCHTIME=1x scripts/bench
func BenchmarkLists(b *testing.B) {
	data := func(i int) store.New {
		session := newSession(i)
		session.Data = capacityData
		return session
	}
	for name, age := range map[string]time.Duration{"redis": listAge, "redis-active": 0} {
		b.Run(name, func(b *testing.B) {
			server := redistest.Start(b)
			seedBig(b, server, app, listSessions, data)
			time.Sleep(age) // real time is what Redis' clock goes by
			benchmarkLists(b, startServer(b, "redis "+strconv.Itoa(server.Port())))
		})
	}
	b.Run("embedded", func(b *testing.B) {
		p := startServer(b, "embedded")
		seedApp(b, p.addr, app, listSessions, newSession) // without data
		benchmarkLists(b, p)
	})
}

func benchmarkLists(b *testing.B, p process) {
	before := p.peak(b)
	p.resetPeak(b)
	var asking, reading sync.WaitGroup
	end := time.Now().Add(slowFor)
	begun := make([]bool, handlers.DefaultMaxLists)
	for i := range begun {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		// Else the kernel would take half of the list.
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		asking.Add(1)
		reading.Go(func() {
			fmt.Fprintf(conn, "GET /%s/soapp?dt=100000 HTTP/1.1\r\nHost: bench\r\n\r\n", app)
			resp, err := http.ReadResponse(bufio.NewReaderSize(conn, slowRead), nil)
			begun[i] = err == nil && resp.StatusCode == http.StatusOK
			asking.Done()
			for begun[i] && time.Now().Before(end) {
				if _, err := io.CopyN(io.Discard, resp.Body, slowRead); err != nil {
					b.Errorf("a list ended: %v", err)
					return
				}
				time.Sleep(slowWait)
			}
		})
	}
	asking.Wait()
	for i, ok := range begun {
		if !ok {
			b.Fatalf("list %d did not begin", i)
		}
	}
	// One more is refused, so these are in flight.
	if resp, err := http.Get("http://" + p.addr + "/" + app + "/soapp?dt=100000"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		b.Errorf("one more list answers %v, %v", resp, err)
	}
	reading.Wait()
	b.Logf("%d lists of %d sessions in flight: up to %d MiB, %d MiB before, %d MiB after %v", len(begun), listSessions, p.peak(b)>>20, before>>20, p.resident(b)>>20, slowFor)
	b.ReportMetric(float64(p.peak(b)>>20), "MiB")
	b.ReportMetric(float64(before>>20), "MiB-before")
	b.ReportMetric(0, "ns/op") // means nothing here: leave it out
}

// resident returns the process' resident memory, in bytes.
func (p process) resident(tb testing.TB) int {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		tb.Skipf("memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib << 10
}

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"rest-sessions/internal/redistest"
)

// crowd is how many clients an overload comes from. Each has one request on its way,
// so with few the server would never have more to do than they are.
const crowd = 1000

// rush is what an open loop of a crowd measured.
type rush struct {
	accepted, shed *hdrhistogram.Histogram // times to the answers, from when they were due
	sent           *hdrhistogram.Histogram // of the accepted, from when they were sent
	took           time.Duration
	lastShed       time.Duration // after the begin; 0 if none was
}

func (r rush) rate(h *hdrhistogram.Histogram) float64 {
	return float64(h.TotalCount()) / r.took.Seconds()
}

func (r rush) String() string {
	return fmt.Sprintf("%.0f/s accepted, p50 %.1f ms, p99 %.1f ms (%.1f ms from when they were sent); %.0f/s shed, p99 %.1f ms, the last after %v",
		r.rate(r.accepted), ms(r.accepted, 50), ms(r.accepted, 99), ms(r.sent, 99), r.rate(r.shed), ms(r.shed, 99), r.lastShed)
}

func ms(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1e6
}

// connectCrowd connects the clients, each of which has had an answer.
func connectCrowd(tb testing.TB, addr string, requests func(client int) request) []*crowdClient {
	tb.Helper()
	clients := make([]*crowdClient, crowd)
	for i := range clients {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { conn.Close() })
		clients[i] = &crowdClient{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), next: requests(i)}
		if _, err := clients[i].ask(); err != nil {
			tb.Fatal(err)
		}
	}
	return clients
}

// crowdClient is one of them.
type crowdClient struct {
	conn           net.Conn
	in             *bufio.Reader
	next           request
	accepted, shed []time.Duration
	sent           []time.Duration // of the accepted
	lastShed       time.Duration
}

// run sends at a rate, whatever the answers do.
func runCrowd(tb testing.TB, clients []*crowdClient, took time.Duration, rate float64) rush {
	tb.Helper()
	gap := time.Duration(float64(time.Second) * float64(len(clients)) / rate)
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	begin := time.Now()
	for i, c := range clients {
		c.accepted, c.shed, c.sent, c.lastShed = c.accepted[:0], c.shed[:0], c.sent[:0], 0
		wg.Go(func() {
			due := begin.Add(gap * time.Duration(i) / time.Duration(len(clients)))
			for ; due.Sub(begin) < took && errs[i] == nil; due = due.Add(gap) {
				time.Sleep(time.Until(due))
				sent := time.Now()
				status, err := c.ask()
				if errs[i] = err; err != nil {
					return
				}
				if status == 503 {
					c.shed = append(c.shed, time.Since(due))
					c.lastShed = time.Since(begin)
				} else {
					c.accepted = append(c.accepted, time.Since(due))
					c.sent = append(c.sent, time.Since(sent))
				}
			}
		})
	}
	wg.Wait()
	total := rush{accepted: newHistogram(), shed: newHistogram(), sent: newHistogram(), took: time.Since(begin)}
	for i, c := range clients {
		if errs[i] != nil {
			tb.Fatal(errs[i])
		}
		for _, took := range c.accepted {
			total.accepted.RecordValue(took.Nanoseconds())
		}
		for _, took := range c.sent {
			total.sent.RecordValue(took.Nanoseconds())
		}
		for _, took := range c.shed {
			total.shed.RecordValue(took.Nanoseconds())
		}
		total.lastShed = max(total.lastShed, c.lastShed)
	}
	return total
}

// ask sends a request and returns the status of its answer, 200 or a 503 that says when to
// come again.
func (c *crowdClient) ask() (int, error) {
	if _, err := c.conn.Write(c.next()); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	status := 0
	switch {
	case bytes.HasPrefix(line, okLine):
		status = 200
	case bytes.HasPrefix(line, []byte("HTTP/1.1 503 ")):
		status = 503
	default:
		return 0, fmt.Errorf("answered %q", line)
	}
	length, again := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		again = again || string(line) == "Retry-After: 1\r\n"
	}
	body, err := c.in.Peek(length)
	if err != nil {
		return 0, err
	}
	if status == 503 && !(again && bytes.HasPrefix(body, []byte(`{"name":"overloaded"`))) {
		return 0, fmt.Errorf("answered 503 %s, Retry-After: %v", body, again)
	}
	_, err = c.in.Discard(length)
	return status, err
}

// narrowRedis is the bytes a second of replies from the Redis of BenchmarkOverload/store: at
// twice of what these are worth, server and load leave the two cores half idle.
const narrowRedis = 300_000

// BenchmarkOverload measures a server at half of its capacity, at twice of it, and at half
// again, in an open loop of a crowd that sends whatever the answers do. Every 503 is
// checked for Retry-After. Where Redis is what is short, the crowd can send that much.
// Where the processors are, it has the same two, and cannot: most of a time is then the
// crowd's own.
func BenchmarkOverload(b *testing.B) {
	for _, c := range []struct {
		name  string
		width int
	}{{"store", narrowRedis}, {"processors", 0}} {
		b.Run(c.name, func(b *testing.B) {
			redis := redistest.Start(b)
			proxy := redistest.StartProxy(b, redis)
			port := redis.Port()
			if c.width > 0 {
				port = proxy.Port()
			}
			s := startSite(b, "redis "+strconv.Itoa(port), redis, 10_000)
			proxy.Narrow(c.width)
			requests := get(app, s.tokens, Uniform(len(s.tokens)))
			capacity := closedLoop(b, s.addr, requests, 3*time.Second).rate()
			clients := connectCrowd(b, s.addr, requests)
			b.ResetTimer()
			at := func(share float64, took time.Duration) rush {
				r := runCrowd(b, clients, took, share*capacity)
				b.Logf("%.1f of the capacity of %.0f/s for %v: %v", share, capacity, took, r)
				return r
			}
			normal := at(0.5, 5*time.Second)
			at(2, time.Second)
			over := at(2, 10*time.Second)
			after := at(0.5, 5*time.Second)
			shed := over.shed.TotalCount()
			b.ReportMetric(ms(over.accepted, 99)/ms(normal.accepted, 99), "p99-against-normal")
			b.ReportMetric(ms(over.sent, 99)/ms(normal.sent, 99), "p99-from-sent-against-normal")
			b.ReportMetric(over.rate(over.accepted)/capacity, "accepted-against-capacity")
			b.ReportMetric(100*float64(shed)/float64(shed+over.accepted.TotalCount()), "%shed")
			b.ReportMetric(float64(normal.shed.TotalCount()), "shed-before")
			b.ReportMetric(float64(after.lastShed.Milliseconds()), "ms-shed-after")
			b.ReportMetric(0, "ns/op") // means nothing here: leave it out
		})
	}
}

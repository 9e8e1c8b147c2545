package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"rest-sessions/store"
)

// crowd is how many clients an overload comes from. Each has one request on its way,
// so with few the server would never have more to do than they are.
const crowd = 1000

// rush is what an open loop of a crowd measured.
type rush struct {
	accepted, shed *hdrhistogram.Histogram // times to the answers, from when they were due
	took           time.Duration
	lastShed       time.Duration // after the begin; 0 if none was
}

func (r rush) rate(h *hdrhistogram.Histogram) float64 {
	return float64(h.TotalCount()) / r.took.Seconds()
}

func (r rush) String() string {
	return fmt.Sprintf("%.0f/s accepted, p50 %.1f ms, p99 %.1f ms; %.0f/s shed, p99 %.1f ms",
		r.rate(r.accepted), ms(r.accepted, 50), ms(r.accepted, 99), r.rate(r.shed), ms(r.shed, 99))
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
		c.accepted, c.shed, c.lastShed = c.accepted[:0], c.shed[:0], 0
		wg.Go(func() {
			due := begin.Add(gap * time.Duration(i) / time.Duration(len(clients)))
			for ; due.Sub(begin) < took && errs[i] == nil; due = due.Add(gap) {
				time.Sleep(time.Until(due))
				status, err := c.ask()
				if errs[i] = err; err != nil {
					return
				}
				if status == 503 {
					c.shed = append(c.shed, time.Since(due))
					c.lastShed = time.Since(begin)
				} else {
					c.accepted = append(c.accepted, time.Since(due))
				}
			}
		})
	}
	wg.Wait()
	total := rush{accepted: newHistogram(), shed: newHistogram(), took: time.Since(begin)}
	for i, c := range clients {
		if errs[i] != nil {
			tb.Fatal(errs[i])
		}
		for _, took := range c.accepted {
			total.accepted.RecordValue(took.Nanoseconds())
		}
		for _, took := range c.shed {
			total.shed.RecordValue(took.Nanoseconds())
		}
		total.lastShed = max(total.lastShed, c.lastShed)
	}
	return total
}

// ask sends a request and returns the status of its answer, 200 or 503.
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
	length := 0
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
	}
	_, err = c.in.Discard(length)
	return status, err
}

func BenchmarkOverload(b *testing.B) {
	for _, c := range []struct {
		name  string
		start func() (*site, func(int) request)
	}{
		{"get", func() (*site, func(int) request) {
			s := startRedis(b, 10_000)
			return s, get(app, s.tokens, Uniform(len(s.tokens)))
		}},
		{"set", func() (*site, func(int) request) {
			s := startRedis(b, 1)
			return s, set(app, bulkySessions(b, s, 500, 200), Uniform(500))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, requests := c.start()
			capacity := closedLoop(b, s.addr, requests, 3*time.Second).rate()
			clients := connectCrowd(b, s.addr, requests)
			b.Logf("capacity %.0f/s", capacity)
			for _, share := range []float64{0.5, 2, 0.5} {
				r := runCrowd(b, clients, 5*time.Second, share*capacity)
				b.Logf("%.1f of it: %v; last shed after %v", share, r, r.lastShed)
			}
		})
	}
}

// bulkySessions starts n sessions with so many keys of data each, all of which the
// script of a set walks: Redis is what is short, not the processor that the load, the
// server and Redis share.
func bulkySessions(tb testing.TB, s *site, n, keys int) []string {
	tb.Helper()
	var d store.Data
	for i := range keys {
		d = append(d, store.Field{Key: fmt.Sprintf(`"key%04d"`, i), Value: `"value"`})
	}
	engine := openRedis(tb, s.redis)
	tokens := make([]string, n)
	for i := range tokens {
		session := newSession(i)
		session.Data = d
		tokens[i] = store.NewToken(session.ID)
		if err := engine.Create(context.Background(), app, tokens[i], session); err != nil {
			tb.Fatal(err)
		}
	}
	return tokens
}

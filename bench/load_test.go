package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// connections is how many clients load a server at once.
const connections = 64

// newHistogram returns one of nanoseconds up to a minute, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, time.Minute.Nanoseconds(), 3)
}

// request makes the next request of a client.
type request func() []byte

// load is what a load did.
type load struct {
	requests int
	took     time.Duration
	latency  *hdrhistogram.Histogram
}

func (l load) rate() float64 { return float64(l.requests) / l.took.Seconds() }

// micros returns a percentile of the latencies in microseconds.
func (l load) micros(percentile float64) float64 {
	return float64(l.latency.ValueAtPercentile(percentile)) / 1000
}

// closedLoop lets each connection send its next request when the last is
// answered, for a time.
func closedLoop(tb testing.TB, addr string, requests func(client int) request, took time.Duration) load {
	return run(tb, addr, connections, requests, took, func(time.Time, int) func() time.Time { return time.Now })
}

// loneLoop is closedLoop of one client.
func loneLoop(tb testing.TB, addr string, requests func(client int) request, took time.Duration) load {
	return run(tb, addr, 1, requests, took, func(time.Time, int) func() time.Time { return time.Now })
}

// openLoop sends at a rate, whatever the answers do: a client that is late sends
// at once, and its wait counts.
func openLoop(tb testing.TB, addr string, requests func(client int) request, took time.Duration, rate float64) load {
	gap := time.Duration(float64(time.Second) * connections / rate)
	return run(tb, addr, connections, requests, took, func(begin time.Time, client int) func() time.Time {
		due := begin.Add(gap * time.Duration(client) / connections)
		return func() time.Time {
			now := due
			due = due.Add(gap)
			time.Sleep(time.Until(now))
			return now
		}
	})
}

// pacedLoop is openLoop, but the time that a client takes to wake does not count: up to a
// millisecond, which would be most of what it waits where the server is quiet.
func pacedLoop(tb testing.TB, addr string, requests func(client int) request, took time.Duration, rate float64) load {
	gap := time.Duration(float64(time.Second) * connections / rate)
	return run(tb, addr, connections, requests, took, func(begin time.Time, client int) func() time.Time {
		due := begin.Add(gap * time.Duration(client) / connections)
		return func() time.Time {
			now := due
			due = due.Add(gap)
			if wait := time.Until(now); wait > 0 {
				time.Sleep(wait)
				now = time.Now()
			}
			return now
		}
	})
}

// run lets each of n connections send a request at the times that its clock gives. All
// have connected and had a first answer before the time begins: 64 that connect at
// once are late by milliseconds, and at half the rate of saturation their first
// requests alone would be half a percent of a slice, most of what its p99 tells.
func run(tb testing.TB, addr string, n int, requests func(client int) request, took time.Duration, clock func(begin time.Time, client int) func() time.Time) load {
	tb.Helper()
	clients := make([]*client, n)
	for i := range clients {
		c, err := connect(addr, requests(i), n == 1)
		if err != nil {
			tb.Fatal(err)
		}
		defer c.conn.Close()
		clients[i] = c
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	begin := time.Now()
	for i, c := range clients {
		wg.Go(func() { errs[i] = c.talk(clock(begin, i), begin.Add(took)) })
	}
	wg.Wait()
	total := load{took: time.Since(begin), latency: newHistogram()}
	for i, c := range clients {
		if errs[i] != nil {
			tb.Fatal(errs[i])
		}
		total.requests += int(c.latency.TotalCount())
		total.latency.Merge(c.latency)
	}
	return total
}

// client is one connection of a load.
type client struct {
	conn    io.ReadWriteCloser
	in      *bufio.Reader
	next    request
	latency *hdrhistogram.Histogram
}

// connect makes a client whose connection has answered once. blocking is for a lone client:
// it waits in read(2), as wrk or PHP do, since Go's poller would add its own time to each wait.
func connect(addr string, next request, blocking bool) (*client, error) {
	dialled, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	var conn io.ReadWriteCloser = dialled
	if blocking {
		defer dialled.Close()
		if conn, err = dialled.(*net.TCPConn).File(); err != nil {
			return nil, err
		}
	}
	c := &client{conn, bufio.NewReaderSize(conn, 64<<10), next, newHistogram()}
	return c, c.ask()
}

// ask sends a request and reads its answer.
func (c *client) ask() error {
	if _, err := c.conn.Write(c.next()); err != nil {
		return err
	}
	return readAnswer(c.in)
}

// talk asks at the times that a clock gives, up to end.
func (c *client) talk(at func() time.Time, end time.Time) error {
	for start := at(); start.Before(end); start = at() {
		if err := c.ask(); err != nil {
			return err
		}
		if err := c.latency.RecordValue(max(100, time.Since(start).Nanoseconds())); err != nil {
			return err
		}
	}
	return nil
}

var (
	okLine        = []byte("HTTP/1.1 200 OK")
	contentLength = []byte("Content-Length: ")
)

// readAnswer reads an answer, which must be a 200 with a body that is more than
// {}: an empty session would be a miss, and cheap.
func readAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, okLine) {
		return fmt.Errorf("answered %q", line)
	}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if length <= len("{}") {
		return fmt.Errorf("answered a body of %d bytes", length)
	}
	_, err = in.Discard(length)
	return err
}

// source returns the randomness of a client: the same in each run.
func source(client int) *rand.Rand { return rand.New(rand.NewPCG(uint64(client), 7)) }

// get makes the requests of clients that read sessions of app, drawn by keys.
func get(app string, tokens []string, keys KeysOf) func(client int) request {
	return reads(tokens, keys, func(token string) string { return "/" + app + "/get/" + token + " HTTP/1.1" })
}

// getHandle is get with=handle.
func getHandle(app string, tokens []string, keys KeysOf) func(client int) request {
	return reads(tokens, keys, func(token string) string { return "/" + app + "/get/" + token + "?with=handle HTTP/1.1" })
}

// auth makes the requests of a proxy that asks for its visitors.
func auth(app string, tokens []string, keys KeysOf) func(client int) request {
	return reads(tokens, keys, func(token string) string { return "/" + app + "/auth HTTP/1.1\r\nCookie: sid=" + token })
}

// reads makes GET requests with a head of each token, drawn by keys.
func reads(tokens []string, keys KeysOf, head func(token string) string) func(client int) request {
	lines := getLines(tokens, head)
	return func(client int) request {
		draw := keys(source(client))
		return func() []byte { return lines[draw()] }
	}
}

// getLines makes a GET request with a head of each token.
func getLines(tokens []string, head func(token string) string) [][]byte {
	lines := make([][]byte, len(tokens))
	for i, token := range tokens {
		lines[i] = []byte("GET " + head(token) + "\r\nHost: bench\r\n\r\n")
	}
	return lines
}

// create makes the requests of clients that start sessions.
func create(app string) func(client int) request {
	return func(client int) request {
		n := 0
		return func() []byte {
			n++
			return fmt.Appendf(nil, "PUT /%s/create/new%06d-%06d?ip=192.168.100.200 HTTP/1.1\r\nHost: bench\r\n\r\n", app, client, n)
		}
	}
}

const setBody = `{"name":"Peter","visits":12}`

// set makes the requests of clients that write to sessions.
func set(app string, tokens []string, keys KeysOf) func(client int) request {
	return func(client int) request {
		draw := keys(source(client))
		return func() []byte {
			return fmt.Appendf(nil, "POST /%s/set/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				app, tokens[draw()], len(setBody), setBody)
		}
	}
}

// kill makes the requests of clients that end sessions, each another: of a load that
// lasts longer than the sessions, the rest are of sessions that are gone.
func kill(app string, tokens []string) func(client int) request {
	return func(client int) request {
		n := client - connections
		return func() []byte {
			n += connections
			return fmt.Appendf(nil, "DELETE /%s/kill/%s HTTP/1.1\r\nHost: bench\r\n\r\n", app, tokens[n%len(tokens)])
		}
	}
}

// soid makes the requests of clients that list the sessions of one of n users.
func soid(app string, n int) func(client int) request {
	return func(client int) request {
		r := source(client)
		return func() []byte {
			return fmt.Appendf(nil, "GET /%s/soid/%s HTTP/1.1\r\nHost: bench\r\n\r\n", app, userID(r.IntN(n)))
		}
	}
}

// activity makes the requests of clients that count an app's users.
func activity(app string) func(client int) request {
	line := []byte("GET /" + app + "/activity?dt=600 HTTP/1.1\r\nHost: bench\r\n\r\n")
	return func(int) request { return func() []byte { return line } }
}

// mix makes the requests of a web tier. What it kills is what it drew, and its
// gets keep to sessions that it leaves alone.
func mix(app string, tokens []string) func(client int) request {
	kept := len(tokens) * 9 / 10
	reads, writes, creates := get(app, tokens[:kept], Uniform(kept)), set(app, tokens[:kept], Uniform(kept)), create(app)
	return func(client int) request {
		r := source(client)
		next := map[Op]request{Get: reads(client), Set: writes(client), Create: creates(client)}
		return func() []byte {
			switch op := Mix(r); op {
			case Kill:
				return fmt.Appendf(nil, "DELETE /%s/kill/%s HTTP/1.1\r\nHost: bench\r\n\r\n", app, tokens[kept+r.IntN(len(tokens)-kept)])
			case SoID:
				return fmt.Appendf(nil, "GET /%s/soid/%s HTTP/1.1\r\nHost: bench\r\n\r\n", app, userID(r.IntN(kept)))
			default:
				return next[op]()
			}
		}
	}
}

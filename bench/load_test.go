package bench

import (
	"bufio"
	"bytes"
	"fmt"
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
	return run(tb, addr, requests, took, func(int) func() time.Time { return time.Now })
}

// openLoop sends at a rate, whatever the answers do: a client that is late sends
// at once, and its wait counts.
func openLoop(tb testing.TB, addr string, requests func(client int) request, took time.Duration, rate float64) load {
	begin := time.Now()
	gap := time.Duration(float64(time.Second) * connections / rate)
	return run(tb, addr, requests, took, func(client int) func() time.Time {
		due := begin.Add(gap * time.Duration(client) / connections)
		return func() time.Time {
			now := due
			due = due.Add(gap)
			time.Sleep(time.Until(now))
			return now
		}
	})
}

// run lets each connection send a request at the times that its clock gives.
func run(tb testing.TB, addr string, requests func(client int) request, took time.Duration, clock func(client int) func() time.Time) load {
	tb.Helper()
	var wg sync.WaitGroup
	results := make([]load, connections)
	errs := make([]error, connections)
	begin := time.Now()
	for client := range connections {
		wg.Go(func() {
			next, at := requests(client), clock(client)
			results[client], errs[client] = talk(addr, next, at, begin.Add(took))
		})
	}
	wg.Wait()
	total := load{took: time.Since(begin), latency: newHistogram()}
	for i, r := range results {
		if errs[i] != nil {
			tb.Fatal(errs[i])
		}
		total.requests += r.requests
		total.latency.Merge(r.latency)
	}
	return total
}

// talk is one connection of a load.
func talk(addr string, next request, at func() time.Time, end time.Time) (load, error) {
	l := load{latency: newHistogram()}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return l, err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		start := at()
		if start.After(end) {
			return l, nil
		}
		if _, err := conn.Write(next()); err != nil {
			return l, err
		}
		if err := readAnswer(in); err != nil {
			return l, err
		}
		l.requests++
		if err := l.latency.RecordValue(max(100, time.Since(start).Nanoseconds())); err != nil {
			return l, err
		}
	}
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
	lines := make([][]byte, len(tokens))
	for i, token := range tokens {
		lines[i] = []byte("GET /" + app + "/get/" + token + " HTTP/1.1\r\nHost: bench\r\n\r\n")
	}
	return func(client int) request {
		draw := keys(source(client))
		return func() []byte { return lines[draw()] }
	}
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

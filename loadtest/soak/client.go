//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	app = "soak"
	// sessions is how many are read and written; each user has one.
	sessions = 2000
	// writeShare is the share of sets: one in so many.
	writeShare = 10
	// answerLimit is how long a client waits for an answer.
	answerLimit = 10 * time.Second
)

// fleet is connections to the server, each with one request on its way at most.
type fleet struct {
	addr    string
	tokens  []string
	clients []*client
	failed  atomic.Int64 // requests without an answer that is right
	example atomic.Pointer[string]
}

// client is one of them.
type client struct {
	conn     net.Conn
	in       *bufio.Reader
	response fasthttp.Response
}

// answers is what came of requests.
type answers struct {
	served []time.Duration // what the answers took, from when they were due
	shed   int
	last   time.Duration // when one was shed last, from the begin; 0 if none was
	took   time.Duration // all together
}

func user(i int) string { return fmt.Sprintf("user%06d", i) }

// connect opens n connections more. Each asks at once: the server gives up one that says
// nothing for 5 s.
func (f *fleet) connect(n int) error {
	for range n {
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			return err
		}
		c := &client{conn: conn, in: bufio.NewReaderSize(conn, 1<<10)}
		f.clients = append(f.clients, c)
		if status, body, err := c.ask("GET", "/livez", ""); err != nil || status != 200 {
			return fmt.Errorf("/livez answered %d %s: %w", status, body, err)
		}
	}
	return nil
}

func (f *fleet) close() {
	for _, c := range f.clients {
		c.conn.Close()
	}
	f.clients = nil
}

// seed starts the sessions.
func (f *fleet) seed() error {
	for i := range sessions {
		path := fmt.Sprintf("/%s/create/%s?ip=192.168.99.22", app, user(i))
		status, body, err := f.clients[0].ask("PUT", path, "")
		var reply struct{ Token string }
		if err == nil {
			err = json.Unmarshal(body, &reply)
		}
		if err != nil || status != 200 {
			return fmt.Errorf("create answered %d %s: %v", status, body, err)
		}
		f.tokens = append(f.tokens, reply.Token)
	}
	return nil
}

// ask sends a request; the body that it returns is valid until the next.
func (c *client) ask(method, path, body string) (int, []byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return 0, nil, err
	}
	head := ""
	if body != "" {
		head = fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: soak\r\n%s\r\n%s", method, path, head, body); err != nil {
		return 0, nil, err
	}
	if err := c.response.Read(c.in); err != nil {
		return 0, nil, err
	}
	return c.response.StatusCode(), c.response.Body(), nil
}

// visit reads or writes a session, and reports whether it was served, else shed. Its
// answer must be that session, or a 503 that says why and when to come again.
func (f *fleet) visit(c *client) (bool, error) {
	i := rand.IntN(sessions)
	method, path, body := "GET", "/get/", ""
	if rand.IntN(writeShare) == 0 {
		method, path, body = "POST", "/set/", `{"visits":12}`
	}
	status, answer, err := c.ask(method, "/"+app+path+f.tokens[i], body)
	switch {
	case err != nil:
		return false, err
	case status == 200 && bytes.HasPrefix(answer, []byte(`{"id":"`+user(i)+`",`)):
		return true, nil
	case status == 503 && len(c.response.Header.Peek("Retry-After")) > 0 &&
		(bytes.HasPrefix(answer, []byte(`{"name":"overloaded",`)) || bytes.HasPrefix(answer, []byte(`{"name":"storeUnavailable",`))):
		// The second is of one that waited for RS_TIMEOUT: on a machine that is busy with other
		// things the queue of the first moments can be as long.
		return false, nil
	default:
		return false, fmt.Errorf("%s %s answered %d %s", method, path, status, answer)
	}
}

// closedLoop lets n clients each ask again when they have an answer, and returns requests
// served a second: what the server can do.
func (f *fleet) closedLoop(n int, lasting time.Duration) float64 {
	a := f.run(f.clients[:n], lasting, 0)
	return float64(len(a.served)) / a.took.Seconds()
}

// openLoop sends at a rate, whatever the answers do: a client that is late sends at once,
// and its wait counts.
func (f *fleet) openLoop(rate float64, lasting time.Duration) answers {
	return f.run(f.clients, lasting, rate)
}

// run sends requests; rate is that of all clients together, 0 for as fast as answers come.
func (f *fleet) run(clients []*client, lasting time.Duration, rate float64) answers {
	var gap time.Duration
	if rate > 0 {
		gap = time.Duration(float64(time.Second) * float64(len(clients)) / rate)
	}
	parts := make([]answers, len(clients))
	begin := time.Now()
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			part := &parts[i]
			for due := begin.Add(gap * time.Duration(i) / time.Duration(len(clients))); due.Sub(begin) < lasting; due = due.Add(gap) {
				if gap == 0 {
					due = time.Now()
				} else {
					time.Sleep(time.Until(due))
				}
				served, err := f.visit(c)
				switch {
				case err != nil:
					f.fail(err)
					return // its connection may hold the rest of an answer
				case served:
					part.served = append(part.served, time.Since(due))
				default:
					part.shed++
					part.last = time.Since(begin)
				}
			}
		})
	}
	running.Wait()
	sum := answers{took: time.Since(begin)}
	for _, part := range parts {
		sum.served = append(sum.served, part.served...)
		sum.shed += part.shed
		sum.last = max(sum.last, part.last)
	}
	return sum
}

func (f *fleet) fail(err error) {
	f.failed.Add(1)
	text := err.Error()
	f.example.CompareAndSwap(nil, &text)
}

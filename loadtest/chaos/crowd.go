//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/site"
)

const (
	crowdName = "crowd"
	// spareFiles is what this process opens besides the crowd's connections.
	spareFiles = 200
	// waitingMemory is how much more memory a waiting client may cost the server than
	// one whose connection is idle, in bytes.
	waitingMemory = 8 << 10
	// spareGoroutines is how many the server may have besides those of its connections.
	spareGoroutines = 50
	// leaveLimit is how long after the crowd has left its goroutines are gone at the
	// latest. fasthttp ends those that have had no work for 10 s.
	leaveLimit = 30 * time.Second
	// crowdLimit is how long after RS_TIMEOUT the last of the crowd is answered at the
	// latest: two cores write and read as many answers at once as they do in a second
	// else.
	crowdLimit = 2 * time.Second
)

// crowd is many connections to the server, on each of which a session is read at
// the same time as on the others.
type crowd struct {
	site  *site.Site
	path  string
	conns []net.Conn
}

// wave is what came of one read on each connection.
type wave struct {
	served, refused, wrong int
	slowest                time.Duration
	example                string
	goroutines, memory     int           // most while it lasted
	stood                  time.Duration // how long the machine stood still
}

// tryCrowd lets very many clients wait for a Redis that is stopped, twice, and
// measures the server's goroutines and memory before, meanwhile and afterwards.
func tryCrowd(f *form, binary string) (problems []string, err error) {
	clients := f.crowd
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, err
	}
	if clients+spareFiles > int(files.Cur) {
		return nil, fmt.Errorf("%d clients need %d open files, and the limit is %d (ulimit -n)", clients, clients+spareFiles, files.Cur)
	}
	site, err := site.New(binary, false, nil, environ...)
	if err != nil {
		return nil, err
	}
	defer site.Close()
	c := &crowd{site: site}
	defer c.close()
	m := model.New(app, true)
	t := &trial{form: f, site: site, model: m, client: newClient(site.URL)}
	defer t.client.CloseIdleConnections()
	t.send(m.Create("user1"))
	session := m.Get(func(int) int { return 0 })
	if session == nil {
		return nil, fmt.Errorf("no session could be made: %v", t.examples)
	}
	c.path = session.Path

	broken := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	goroutines, memory, err := site.Measure()
	if err != nil {
		return nil, err
	}
	fmt.Printf("\n%d clients at once: answers, slowest, goroutines and resident memory of the server\n", clients)
	fmt.Printf("before:                       %30d goroutines, %3d MiB\n", goroutines, memory>>20)
	if err := c.connect(clients); err != nil {
		return nil, err
	}
	watch := watchMachine()
	defer watch.end()
	// tell sends a wave and prints it.
	tell := func(name string) (*wave, error) {
		begun := time.Now()
		w, err := c.send()
		if err != nil {
			return nil, err
		}
		w.stood = watch.stood(begun, time.Now())
		fmt.Printf("%-30s%5d 200, %5d 503, %7s, %5d goroutines, %3d MiB\n", name+":", w.served, w.refused,
			millis(w.slowest), w.goroutines, w.memory>>20)
		broken(w.wrong > 0, "%s: %d of the crowd got no answer or a wrong one: %s", name, w.wrong, w.example)
		broken(w.goroutines > clients+goroutines+spareGoroutines, "%s: %d goroutines for %d connections", name, w.goroutines, clients)
		return w, nil
	}
	calm, err := tell("Redis is well")
	if err != nil {
		return nil, err
	}
	for _, when := range []string{"first", "second"} {
		site.Redis.Pause()
		silent, err := tell("stopped, the " + when + " time")
		if err != nil {
			return nil, err
		}
		known, err := tell("known to be stopped")
		if err != nil {
			return nil, err
		}
		site.Redis.Resume()
		resumed := time.Now()
		for t.get(c.path).status != http.StatusOK && time.Since(resumed) < 2*recoverLimit {
			time.Sleep(5 * time.Millisecond)
		}
		back := time.Since(resumed)
		limit := recoverLimit + watch.stood(resumed, resumed.Add(back))
		again, err := tell("goes on, served after " + millis(back))
		for try := 0; err == nil && again.stood > timeout/4 && try < 5; try++ { // not all have their time then
			again, err = tell("goes on")
		}
		if err != nil {
			return nil, err
		}
		broken(back > limit, "it served again %v after Redis, more than %v", back, limit)
		broken(silent.refused != clients || known.refused != clients || again.served != clients, "not all of the crowd got the same answer")
		broken(silent.slowest > timeout+crowdLimit+silent.stood, "the slowest answer took %v", silent.slowest)
		most := max(silent.memory, known.memory)
		broken(most > calm.memory+clients*waitingMemory, "%d MiB while the crowd waits, %d MiB when it does not", most>>20, calm.memory>>20)
	}
	c.close()
	left := time.Now()
	// after waits until done says so, for at most this long, and prints what there is.
	after := func(patience time.Duration, done func(goroutines, memory int) bool) (int, error) {
		for {
			// Asking often makes garbage, as any load does, and so the runtime collect it.
			n, memory, err := site.Measure()
			if err != nil {
				return 0, err
			}
			if took := time.Since(left); done(n, memory) || took > patience {
				fmt.Printf("%-30s%25s%5d goroutines, %3d MiB\n", fmt.Sprintf("%.1f s after they left:", took.Seconds()), "", n, memory>>20)
				return n, nil
			}
			time.Sleep(time.Millisecond)
		}
	}
	n, err := after(leaveLimit, func(n, _ int) bool { return n <= goroutines+spareGoroutines })
	if err != nil {
		return nil, err
	}
	broken(n > goroutines+spareGoroutines, "%d goroutines are left, %d were there before", n, goroutines)
	if f.settle > 0 {
		if _, err := after(f.settle, func(_, memory int) bool { return memory < calm.memory/2 }); err != nil {
			return nil, err
		}
	}
	broken(!site.Alive(), "the server ended")
	if len(problems) > 0 {
		problems = append(problems, "the server's log: "+site.Log.String())
	}
	return problems, nil
}

// connect opens the connections, each with a request: the server gives up those that
// are silent for long.
func (c *crowd) connect(n int) error {
	u, err := url.Parse(c.site.URL)
	if err != nil {
		return err
	}
	c.conns = make([]net.Conn, n)
	errs := make([]error, n)
	var left atomic.Int64
	var dialers sync.WaitGroup
	for range 16 {
		dialers.Go(func() {
			for i := left.Add(1) - 1; i < int64(n); i = left.Add(1) - 1 {
				if c.conns[i], errs[i] = net.DialTimeout("tcp", u.Host, hang); errs[i] == nil {
					_, errs[i] = c.read(c.conns[i], "/livez", hang)
				}
			}
		})
	}
	dialers.Wait()
	return errors.Join(errs...)
}

func (c *crowd) close() {
	for _, conn := range c.conns {
		if conn != nil {
			conn.Close()
		}
	}
	c.conns = nil
}

// send reads the session once on each connection.
func (c *crowd) send() (*wave, error) {
	w := new(wave)
	var mu sync.Mutex
	var clients sync.WaitGroup
	for _, conn := range c.conns {
		clients.Go(func() {
			start := time.Now()
			status, err := c.read(conn, c.path, timeout+crowdLimit+hang)
			took := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				w.wrong++
				w.example = err.Error()
			case status == http.StatusOK:
				w.served++
			default:
				w.refused++
			}
			w.slowest = max(w.slowest, took)
		})
	}
	done := make(chan struct{})
	go func() {
		clients.Wait()
		close(done)
	}()
	for {
		goroutines, memory, err := c.site.Measure()
		if err != nil {
			return nil, err
		}
		w.goroutines, w.memory = max(w.goroutines, goroutines), max(w.memory, memory)
		select {
		case <-done:
			return w, nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// read sends a get and reads the answer, which must be the session, ok or a 503.
func (c *crowd) read(conn net.Conn, path string, limit time.Duration) (int, error) {
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: chaos\r\n\r\n", path); err != nil {
		return 0, err
	}
	var response fasthttp.Response
	if err := response.Read(bufio.NewReaderSize(conn, 1<<10)); err != nil {
		return 0, err
	}
	switch status, body := response.StatusCode(), response.Body(); {
	case status == http.StatusServiceUnavailable,
		status == http.StatusOK && (string(body) == "ok" || bytes.HasPrefix(body, []byte(`{"id":"user1",`))):
		return status, nil
	default:
		return status, fmt.Errorf("status %d: %s", status, body)
	}
}

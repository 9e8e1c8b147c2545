//go:build linux

// Command migrate takes a site with the web mix on it from one Redis to a Redis
// Cluster: it migrates while the site is served, stops the servers, ends the migration,
// starts servers on the cluster, and holds every answer, before and after, against a model
// of what was acknowledged. In the end every session is read. It exits with 1 if an answer
// was wrong, with 2 if it could not run.
//
//	migrate -server PATH [-sessions 200000] [-clients 16] [-rate 5000]
//
// scripts/migrate builds what it needs.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/loadtest/load"
	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/site"
)

const (
	app = "shop"
	// pace is the shortest time between two requests of a client.
	pace = 10 * time.Millisecond
	// filling is how many clients make the sessions, and read them in the end.
	filling = 32
	// afterwards is how long the site is served from the cluster before that.
	afterwards = 3 * time.Second
	// slow is what no call of Redis may take, in microseconds.
	slow = 2000
)

func main() { os.Exit(run()) }

func run() int {
	binary := flag.String("server", "", "the rest-sessions to try")
	sessions := flag.Int("sessions", 200_000, "how many there are at the start")
	clients := flag.Int("clients", 16, "how many use the site, each at most 100 times a second")
	rate := flag.Int("rate", 5000, "most sessions a second that are migrated while the site is served, 0 for no limit")
	flag.Parse()
	if *binary == "" || flag.NArg() > 0 {
		flag.Usage()
		return 2
	}
	wrong, err := try(*binary, *sessions, *clients, *rate)
	if err != nil {
		fmt.Fprintf(os.Stderr, "migrate: %v\n", err)
		return 2
	}
	if wrong > 0 {
		return 1
	}
	return 0
}

// try does it all and returns how many answers were wrong or missing.
func try(binary string, sessions, clients, rate int) (wrong int, err error) {
	source, err := redistest.Run("--slowlog-log-slower-than", strconv.Itoa(slow))
	if err != nil {
		return 0, err
	}
	defer source.Close()
	target, err := redistest.RunCluster(false, "--slowlog-log-slower-than", strconv.Itoa(slow))
	if err != nil {
		return 0, err
	}
	defer target.Close()
	from, to := "redis://"+source.Addr(), "redis://"+target.Masters[0].Addr()
	server, err := serve(binary, from)
	if err != nil {
		return 0, err
	}
	defer server.Kill()
	tier := newTier(server.URL)

	began := time.Now()
	random := rand.New(rand.NewSource(1))
	users := max(1, sessions*4/5)
	tier.pass(sessions, func(int) *model.Request { return tier.model.Create(model.UserID(random.Intn(users))) })
	fmt.Printf("%d sessions made in %v\n", tier.model.Living(), since(began))
	quiet := tier.serve(clients, sessions, func() error { time.Sleep(afterwards); return nil })
	if quiet.err != nil {
		return 0, quiet.err
	}
	fmt.Printf("before: %s\n", quiet)

	migrate := func(args ...string) error {
		return tier.migrate(binary, append([]string{"--from", from, "--to", to}, args...)...)
	}
	during := tier.serve(clients, sessions, func() error { return migrate("--rate", strconv.Itoa(rate)) })
	if during.err != nil {
		return 0, during.err
	}
	fmt.Printf("meanwhile: %s\n", during)
	// The site goes on until the servers are stopped.
	if between := tier.serve(clients, sessions, func() error { time.Sleep(afterwards); return nil }); between.err != nil {
		return 0, between.err
	}

	stopped := time.Now()
	if err := server.Stop(); err != nil {
		return 0, err
	}
	if err := migrate("--last"); err != nil {
		return 0, err
	}
	moved, err := serve(binary, to)
	if err != nil {
		return 0, err
	}
	defer moved.Kill()
	fmt.Printf("the site was down for %v\n", since(stopped))
	tier.url, tier.client = moved.URL, newClient(moved.URL)
	if after := tier.serve(clients, sessions, func() error { time.Sleep(afterwards); return nil }); after.err != nil {
		return 0, after.err
	} else {
		fmt.Printf("after, on the cluster: %s\n", after)
	}
	audit := tier.model.Audit()
	tier.pass(len(audit), func(i int) *model.Request { return audit[i] })
	fmt.Printf("%d sessions read in the end, %d of them killed ones: %d answers of all %d wrong or missing\n",
		len(audit), len(audit)-tier.model.Living(), tier.wrong, tier.requests.Load())
	for _, example := range tier.examples {
		fmt.Println(example)
	}
	for i, s := range append(target.Masters[:3:3], source) {
		name := fmt.Sprintf("master %d", i+1)
		if s == source {
			name = "source"
		}
		tellSlow(name, s)
	}
	return tier.wrong, nil
}

// serve starts a server with a time-out that a loaded machine does not need, and waits until
// it has reached its Redis.
func serve(binary, url string) (*site.Server, error) {
	server, err := site.Serve(binary, "RS_REDIS_URL="+url, "RS_TIMEOUT=10s")
	if err != nil {
		return nil, err
	}
	if err := server.AwaitReady(); err != nil {
		server.Kill()
		return nil, err
	}
	return server, nil
}

// tier is the web tier that uses the server.
type tier struct {
	url      string
	client   client
	model    *model.Model
	requests atomic.Int64

	mu       sync.Mutex
	wrong    int
	examples []string
}

func newTier(url string) *tier {
	return &tier{url: url, client: newClient(url), model: model.New(app, true)}
}

// pass sends n requests as fast as a few clients can. next is called by one goroutine.
func (s *tier) pass(n int, next func(i int) *model.Request) {
	work := make(chan *model.Request)
	var workers sync.WaitGroup
	for range filling {
		workers.Go(func() {
			for r := range work {
				s.send(r)
			}
		})
	}
	for i := range n {
		work <- next(i)
	}
	close(work)
	workers.Wait()
}

// served is what clients saw of a while.
type served struct {
	requests int
	took     time.Duration
	slowest  time.Duration
	p99      time.Duration
	err      error // of what went on meanwhile
}

func (s served) String() string {
	return fmt.Sprintf("%d requests in %v, p99 %.1f ms, slowest %.1f ms", s.requests, s.took.Round(100*time.Millisecond), millis(s.p99), millis(s.slowest))
}

// serve lets clients use the site with the web mix while meanwhile runs.
func (s *tier) serve(clients, sessions int, meanwhile func() error) served {
	config := &load.Config{Sessions: sessions, Mix: load.WebMix}
	generator := load.NewGenerator(s.model, config, rand.Int63())
	var stopped atomic.Bool
	var workers sync.WaitGroup
	times := make([][]time.Duration, clients)
	began := time.Now()
	for i := range clients {
		workers.Go(func() {
			for !stopped.Load() {
				next := time.Now().Add(pace)
				times[i] = append(times[i], s.send(generator.Next()))
				time.Sleep(time.Until(next))
			}
		})
	}
	err := meanwhile()
	stopped.Store(true)
	workers.Wait()
	return summary(times, time.Since(began), err)
}

// send sends one request, judges the answer and returns how long it took.
func (s *tier) send(r *model.Request) time.Duration {
	status, body, took, err := s.client.ask(s.url, r)
	s.requests.Add(1)
	switch {
	case err != nil:
	case status != 200:
		err = fmt.Errorf("status %d: %s", status, body)
	default:
		err = s.model.Check(r, body)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wrong++
		if len(s.examples) < 5 {
			s.examples = append(s.examples, fmt.Sprintf("%v: %v", r.Kind, err))
		}
	}
	return took
}

// tellSlow prints the calls that held a Redis for long.
func tellSlow(name string, s *redistest.Server) {
	reply, err := s.Call("SLOWLOG", "GET", "-1")
	list, ok := reply.([]any)
	if err != nil || !ok {
		fmt.Printf("%s: no SLOWLOG: %v\n", name, err)
		return
	}
	most, what := int64(0), ""
	calls := 0
	for _, item := range list {
		entry := item.([]any)
		// CLUSTER commands are those of the test's own set-up.
		words := fmt.Sprint(entry[3])
		if strings.HasPrefix(words, "[CLUSTER") {
			continue
		}
		calls++
		if took := entry[2].(int64); took > most {
			most, what = took, words[:min(60, len(words))]
		}
	}
	fmt.Printf("%s: %d calls over %d us", name, calls, slow)
	if calls > 0 {
		fmt.Printf(", the longest %d us: %s", most, what)
	}
	fmt.Println()
}

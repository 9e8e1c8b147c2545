//go:build linux

package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/loadtest/load"
	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/site"
)

const (
	// pace is the shortest time between two requests of a client: those that are
	// refused at once would else take the CPU from those that watch.
	pace = 15 * time.Millisecond
	// hang is how long after its time a request is given up: no answer.
	hang = 3 * time.Second
	app  = "chaos"
)

// trial is one fault tried.
type trial struct {
	form   *form
	site   *site.Site
	model  *model.Model
	client *fasthttp.HostClient
	watch  *watch
	// password is the file with Redis' password, "" if it has none.
	password passwordFile

	mu        sync.Mutex
	answers   []answer
	probes    []probe
	strikes   time.Time
	recovered time.Time
	silent    interval // while Redis answered nobody; empty if it always did
	examples  []string // of what was wrong
}

// interval is a time of the trial.
type interval struct{ begin, end time.Time }

// answer is what came of a request.
type answer struct {
	sent   time.Time
	took   time.Duration
	status int // 0: none
	kind   model.Kind
	wrong  bool
}

// probe is what /readyz or /livez said.
type probe struct {
	answer
	ready bool // /readyz
}

// open starts what a fault is tried on; end it with close, also after an error.
func (f *fault) open(form *form, binary string) (t *trial, err error) {
	t = &trial{form: form, model: model.New(app, true)}
	t.model.Extend()
	args, environ := f.redis, environ
	if f.password != "" {
		if t.password, err = newPasswordFile(f.password); err != nil {
			return t, err
		}
		args = append(slices.Clip(args), "--requirepass", f.password)
		environ = append(slices.Clip(environ), "RS_REDIS_PASSWORD_FILE="+string(t.password))
	}
	if f.near {
		environ = append(slices.Clip(environ), "RS_CACHE=1s")
		t.model.CountsLate()
	}
	if t.site, err = site.New(binary, f.proxy, args, environ...); err != nil {
		return t, err
	}
	t.client = newClient(t.site.URL)
	if f.password != "" {
		err = t.site.Command("AUTH", f.password) // of the connection that Command uses
	}
	return t, err
}

func (t *trial) close() {
	if t.site != nil {
		t.client.CloseIdleConnections()
		t.site.Close()
	}
	if t.password != "" {
		t.password.remove()
	}
}

// try runs load before, during and after the fault, and reads and lists every session at
// the end.
func (f *fault) try(form *form, binary string) (*result, error) {
	t, err := f.open(form, binary)
	defer t.close()
	if err != nil {
		return nil, err
	}
	t.watch = watchMachine()
	defer t.watch.end()

	random := rand.New(rand.NewSource(1))
	users := max(1, form.sessions*4/5)
	var requests []*model.Request
	for range form.sessions {
		requests = append(requests, t.model.Create(model.UserID(random.Intn(users))))
	}
	t.pass(requests)
	before := len(t.answers)

	config := &load.Config{Sessions: form.sessions, Mix: load.WebMix, Zipf: true, Seed: 1}
	generator := load.NewGenerator(t.model, config, config.Seed)
	var loading sync.WaitGroup
	var stopped atomic.Bool
	for range form.workers {
		loading.Go(func() {
			for !stopped.Load() {
				next := time.Now().Add(pace)
				t.send(generator.Next())
				time.Sleep(time.Until(next))
			}
		})
	}
	for _, path := range []string{"/readyz", "/livez"} {
		loading.Go(func() {
			for !stopped.Load() {
				next := time.Now().Add(pace)
				a := t.get(path)
				t.mu.Lock()
				t.probes = append(t.probes, probe{a, path == "/readyz"})
				t.mu.Unlock()
				time.Sleep(time.Until(next))
			}
		})
	}
	time.Sleep(form.calm)
	t.struck()
	err = f.strike(t, form)
	t.mu.Lock()
	t.recovered = time.Now()
	t.mu.Unlock()
	if err == nil {
		time.Sleep(form.after)
	}
	stopped.Store(true)
	loading.Wait()
	if err != nil {
		return nil, err
	}
	loaded := len(t.answers)
	if f.audit != nil {
		f.audit(t)
	}
	// All must be answered, and are not if the machine stands still meanwhile.
	for begun, tries := time.Now(), 0; tries == 0 || t.watch.stood(begun, time.Now()) > timeout/4 && tries < 5; tries++ {
		begun = time.Now()
		t.pass(t.model.Audit())
	}
	t.model.Retained()
	t.pass(t.model.AuditLists())
	return t.judge(f, before, loaded), nil
}

// struck notes that the fault begins now.
func (t *trial) struck() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strikes = time.Now()
}

// silence has Redis answer nobody from stop on, for so long, and notes when that was.
func (t *trial) silence(stop func(), hold time.Duration) {
	stop()
	begin := time.Now()
	time.Sleep(hold)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent = interval{begin, time.Now()}
}

// pass sends requests, as fast as the clients can.
func (t *trial) pass(requests []*model.Request) {
	work := make(chan *model.Request)
	var workers sync.WaitGroup
	for range t.form.workers {
		workers.Go(func() {
			for r := range work {
				t.send(r)
			}
		})
	}
	for _, r := range requests {
		work <- r
	}
	close(work)
	workers.Wait()
}

// send sends one request and judges the answer.
func (t *trial) send(r *model.Request) {
	a, body, err := t.ask(r.Method, r.Path, r.Body)
	a.kind = r.Kind
	problem := ""
	switch {
	case err != nil:
		problem = fmt.Sprintf("%v: no answer: %v", r.Kind, err)
	case a.status == http.StatusOK:
		if err := t.model.Check(r, body); err != nil {
			a.wrong, problem = true, err.Error()
		}
	case a.status != http.StatusServiceUnavailable || !strings.Contains(string(body), `"storeUnavailable"`):
		a.wrong, problem = true, fmt.Sprintf("%v: status %d: %s", r.Kind, a.status, body)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = append(t.answers, a)
	if problem != "" && len(t.examples) < 5 {
		t.examples = append(t.examples, fmt.Sprintf("%v after the fault: %s", a.sent.Sub(t.strikes).Round(time.Millisecond), problem))
	}
}

func (t *trial) get(path string) answer {
	a, _, _ := t.ask(http.MethodGet, path, nil)
	return a
}

// ask sends a request once: nothing is sent again if the connection breaks.
func (t *trial) ask(method, path string, body []byte) (a answer, text []byte, err error) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.URI().DisablePathNormalizing = true
	request.SetRequestURI(t.site.URL + path)
	request.Header.SetMethod(method)
	if body != nil {
		request.Header.SetContentType("application/json")
		request.SetBody(body)
	}
	a.sent = time.Now()
	err = t.client.Do(request, response)
	a.took = time.Since(a.sent)
	if err == nil {
		a.status, text = response.StatusCode(), append(text, response.Body()...)
	}
	return a, text, err
}

// newClient makes a client of a server at url.
func newClient(url string) *fasthttp.HostClient {
	return &fasthttp.HostClient{
		Addr: strings.TrimPrefix(url, "http://"), DisablePathNormalizing: true,
		MaxIdemponentCallAttempts: 1, RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		ReadTimeout: timeout + hang, WriteTimeout: hang,
		// Long before the server would close them.
		MaxIdleConnDuration: 10 * time.Second,
	}
}

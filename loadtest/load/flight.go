package load

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rest-sessions/loadtest/model"
)

var jsonType = http.Header{"Content-Type": {"application/json"}}

// flight remembers which requests are on their way.
type flight struct {
	generator *Generator
	base      string
	mu        sync.Mutex
	number    uint64
	requests  map[string]*model.Request
}

func newFlight(g *Generator, base string) *flight {
	return &flight{generator: g, base: base, requests: map[string]*model.Request{}}
}

// target implements vegeta.Targeter.
func (f *flight) target(t *vegeta.Target) error {
	r := f.generator.Next()
	if r == nil {
		return vegeta.ErrNoTargets
	}
	f.mu.Lock()
	f.number++
	number := strconv.FormatUint(f.number, 10)
	f.requests[number] = r
	f.mu.Unlock()
	t.Method, t.URL, t.Body = r.Method, f.base+r.Path+"#"+number, r.Body
	if r.Body != nil {
		t.Header = jsonType
	}
	return nil
}

// land takes the request of a result's URL out, nil if there was none.
func (f *flight) land(url string) *model.Request {
	_, number, _ := strings.Cut(url, "#")
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.requests[number]
	delete(f.requests, number)
	return r
}

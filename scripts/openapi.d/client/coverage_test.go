package client

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// document is OpenAPI, as far as it says what there is to use.
type document struct {
	Paths      map[string]map[string]operation
	Components struct{ Parameters map[string]parameter }
}

type operation struct {
	Parameters []struct {
		Ref string `json:"$ref"`
	}
}

type parameter struct{ Name, In string }

// coverage is the transport of a client. It notes what requests use that are answered 200.
type coverage struct {
	doc  document
	mu   sync.Mutex
	used map[string]bool
}

func newCoverage(t *testing.T, text []byte) *coverage {
	t.Helper()
	c := &coverage{used: map[string]bool{}}
	if err := json.Unmarshal(text, &c.doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// Do implements the client's HttpRequestDoer.
func (c *coverage) Do(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	route := request.Method + " " + c.template(request)
	c.used[route] = true
	for name := range request.URL.Query() {
		c.used[route+" query "+name] = true
	}
	for name := range request.Header {
		c.used[route+" header "+name] = true
	}
	for _, cookie := range request.Cookies() {
		c.used[route+" cookie "+cookie.Name] = true
	}
	return response, nil
}

// template is the path of the document that a request has.
func (c *coverage) template(request *http.Request) string {
	if _, literal := c.doc.Paths[request.URL.EscapedPath()]; literal {
		return request.URL.EscapedPath()
	}
	got := strings.Split(request.URL.EscapedPath(), "/")
	for path, item := range c.doc.Paths {
		want := strings.Split(path, "/")
		_, fits := item[strings.ToLower(request.Method)]
		fits = fits && len(want) == len(got)
		for i := 0; fits && i < len(want); i++ {
			fits = want[i] == got[i] || strings.HasPrefix(want[i], "{")
		}
		if fits {
			return path
		}
	}
	return "?"
}

// missing lists the operations of the document, and their parameters, that nothing used.
func (c *coverage) missing() (missing []string, used int) {
	for path, item := range c.doc.Paths {
		for method, operation := range item {
			route := strings.ToUpper(method) + " " + path
			wanted := []string{route}
			for _, p := range operation.Parameters {
				parameter := c.doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				if parameter.In != "path" {
					wanted = append(wanted, route+" "+parameter.In+" "+parameter.Name)
				}
			}
			for _, w := range wanted {
				if c.used[w] {
					used++
				} else {
					missing = append(missing, w)
				}
			}
		}
	}
	return missing, used
}

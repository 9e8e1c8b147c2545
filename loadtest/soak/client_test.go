//go:build linux

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestVisit takes the session that was asked for, and a 503 that says when to come again,
// and nothing else.
func TestVisit(t *testing.T) {
	var answer func(w http.ResponseWriter, number string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/livez":
			w.Write([]byte("ok"))
			return
		case r.Method == "PUT":
			w.Write([]byte(`{"token":"` + strings.TrimPrefix(r.URL.Path, "/soak/create/user") + `"}`))
			return
		}
		answer(w, r.URL.Path[len("/soak/get/"):])
	}))
	defer server.Close()
	f := &fleet{addr: strings.TrimPrefix(server.URL, "http://")}
	defer f.close()
	if err := f.connect(2); err != nil {
		t.Fatal(err)
	}
	if err := f.seed(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		answer        func(w http.ResponseWriter, number string)
		served, wrong bool
	}{
		{"the session", func(w http.ResponseWriter, number string) { w.Write([]byte(`{"id":"user` + number + `","r":1}`)) }, true, false},
		{"another", func(w http.ResponseWriter, number string) { w.Write([]byte(`{"id":"user9` + number + `","r":1}`)) }, false, true},
		{"none", func(w http.ResponseWriter, _ string) { w.Write([]byte(`{}`)) }, false, true},
		{"shed", func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
			w.Write([]byte(`{"name":"overloaded","message":""}`))
		}, false, false},
		{"shed without Retry-After", func(w http.ResponseWriter, _ string) {
			w.WriteHeader(503)
			w.Write([]byte(`{"name":"overloaded","message":""}`))
		}, false, true},
		{"shed for another reason", func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
			w.Write([]byte(`{"name":"draining","message":""}`))
		}, false, true},
	} {
		answer = c.answer
		for range 2 * writeShare {
			served, err := f.visit(f.clients[0])
			if served != c.served || (err != nil) != c.wrong {
				t.Fatalf("%s: served %v, %v", c.name, served, err)
			}
		}
	}
	answer = func(w http.ResponseWriter, number string) { w.Write([]byte(`{"id":"user` + number + `","r":1}`)) }
	if a := f.openLoop(200, time.Second); len(a.served) < 190 || len(a.served) > 210 || a.shed > 0 || f.failed.Load() > 0 {
		t.Errorf("%d served, %d shed, %d failed of 200", len(a.served), a.shed, f.failed.Load())
	}
}

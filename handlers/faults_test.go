package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// everyRoute is a request for each route that asks the store.
func everyRoute(token string) [][3]string {
	return [][3]string{
		{"PUT", "/app/create/id?ip=::1"}, {"GET", "/app/get/" + token}, {"POST", "/app/set/" + token, `{"a":1}`},
		{"GET", "/app/get/" + token + "?with=handle"}, {"GET", "/app/get/" + token + "?touch=false"},
		{"POST", "/app/touch/" + token + "?ttl=60"}, {"POST", "/app/set/" + aToken + "?if_w=1", `{"a":1}`},
		{"GET", "/app/auth"}, // with the token in the head
		{"POST", "/app/rotate/" + token}, {"POST", "/app/rotate/" + token + "?id=user"},
		{"DELETE", "/app/killsoid/id?handle=" + store.Handle(token)},
		{"GET", "/app/activity?dt=60"}, {"GET", "/app/soapp?dt=60"}, {"GET", "/app/soid/id"},
		{"GET", "/app/soapp?dt=60&limit=1"}, {"GET", "/app/soid/id?limit=1"},
		{"DELETE", "/app/kill/" + token}, {"DELETE", "/app/killsoid/id"}, {"DELETE", "/app/killall"}, {"GET", "/ping"},
	}
}

// TestStoreErrors checks that an outage is never a missing session.
func TestStoreErrors(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	token := w.create("app", "id", "ip=::1", "")
	secret := "the inner detail"
	for _, c := range []struct {
		err    error
		status int
		name   string
	}{
		{fmt.Errorf("%w: %s", store.ErrUnavailable, secret), 503, "storeUnavailable"},
		// A connection that broke, which is no end of a list.
		{fmt.Errorf("%w: %s: %w", store.ErrUnavailable, secret, io.EOF), 503, "storeUnavailable"},
		{errors.New(secret), 500, "internalError"},
	} {
		faulty.FailAll(c.err)
		for _, r := range everyRoute(token) {
			a := w.doJSON(r[0], r[1], r[2], "X-Session-Token: "+token)
			w.expectError(a, c.status, c.name, "")
			if strings.Contains(a.body, secret) {
				t.Errorf("the client is told %s", a.body)
			}
		}
		faulty.FailAll(nil)
	}
	if !strings.Contains(w.log.String(), secret) {
		t.Error("the log does not have the detail of a fault")
	}
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
}

// TestPanic checks that a panic is a 500 and that the server lives on.
func TestPanic(t *testing.T) {
	w := serveEmbedded(t)
	whole := w.api.store
	w.api.store = nil
	w.expectError(w.do("GET", "/app/get/"+aToken, ""), 500, "internalError", "")
	w.api.store = whole
	w.expect(w.do("GET", "/app/get/"+aToken, ""), 200, "{}")
	if !strings.Contains(w.log.String(), "panic") {
		t.Error("the log does not have the panic")
	}
}

// TestStreamedList checks a list of many chunks, and that one that breaks off is
// not a shorter list.
func TestStreamedList(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	const n = 3000 // 160 KB, in chunks of 11
	for range n {
		w.create("app", "id", "ip=::1", "")
	}
	one := `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`
	want := `{"sessions":[` + strings.Repeat(one+",", n-1) + one + `]}`
	for _, path := range []string{"/app/soapp?dt=600", "/app/soid/id"} {
		w.expect(w.do("GET", path, ""), 200, want)
	}
	w.expect(w.do("GET", "/other/soapp?dt=600", ""), 200, `{"sessions":[]}`)

	for chunk, status := range map[int]int{1: 503, 2: 503, 3: 503, 12: 200} {
		faulty.FailNext("SessionsOfApp", chunk, store.ErrUnavailable)
		resp, err := http.Get("http://" + w.addr + "/app/soapp?dt=600")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || (err != nil) != (status == 200) {
			t.Errorf("chunk %d failed: status %d, reading the body: %v", chunk, resp.StatusCode, err)
		}
	}
}

// brokenList panics at its third chunk, when the status has gone out.
type brokenList struct{ chunk int }

func (p *brokenList) Next(context.Context) ([]store.Session, error) {
	if p.chunk++; p.chunk == 3 {
		panic("third chunk")
	}
	return []store.Session{{ID: "id", D: `{"a":"` + strings.Repeat("x", listBuffer/2) + `"}`}}, nil
}

type brokenLists struct{ store.Store }

func (brokenLists) SessionsOfID(context.Context, string, string) store.List { return &brokenList{} }

// TestPanicInList checks that a panic on the way of a list breaks that off and
// nothing else.
func TestPanicInList(t *testing.T) {
	w := serve(t, brokenLists{still()})
	resp, err := http.Get("http://" + w.addr + "/app/soid/id")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the list is whole: %s", body)
	}
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	if !strings.Contains(w.log.String(), "third chunk") {
		t.Error("the log does not have the panic")
	}
}

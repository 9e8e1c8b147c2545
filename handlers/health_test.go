package handlers

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

func TestHealth(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		w.expect(w.do("GET", path, ""), 200, "ok")
	}
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")

	faulty.FailAll(store.ErrUnavailable)
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	for _, path := range []string{"/ping", "/readyz", "/healthz"} {
		w.expectError(w.do("GET", path, ""), 503, "storeUnavailable", "")
	}
	faulty.FailAll(nil)
	w.api.Drain()
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")
	for _, path := range []string{"/readyz", "/healthz"} {
		w.expectError(w.do("GET", path, ""), 503, "draining", "")
	}
}

// TestDrainCloses wants Connection: close in every answer of a server that ends, in errors
// and in the answer to a request that came before.
func TestDrainCloses(t *testing.T) {
	store := &standing{still(), make(chan struct{}, 100), make(chan struct{})}
	w := serve(t, store)
	ask := func(r [3]string) {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(exchangeTimeout))
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r[0], r[1], len(r[2]), r[2])
		if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), "\r\nConnection: close\r\n") {
			t.Errorf("%s %s: %v, without Connection: close: %.300s", r[0], r[1], err, text)
		}
	}
	var before sync.WaitGroup
	before.Go(func() { ask([3]string{"GET", "/app/get/" + aToken}) })
	<-store.asked
	w.api.Drain()
	close(store.let)
	before.Wait()
	for _, r := range append(everyRoute(aToken), [3]string{"GET", "/none"}, [3]string{"PATCH", "/livez"}, [3]string{"GET", "/livez"},
		[3]string{"GET", "/readyz"}, [3]string{"GET", "/metrics"}, [3]string{"GET", "/openapi.json"}, [3]string{"PUT", "/app/create/id?ip=::1", "{"}) {
		if ask(r); t.Failed() {
			return
		}
	}
}

package handlers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
)

// standing is a store that answers a get and a killall only when it is let.
type standing struct {
	store.Store
	asked chan struct{} // gets an element when it is
	let   chan struct{}
}

func (s *standing) Get(ctx context.Context, app, token string) (store.Session, error) {
	s.asked <- struct{}{}
	<-s.let
	return s.Store.Get(ctx, app, token)
}

func (s *standing) KillApp(ctx context.Context, app string) (int64, error) {
	s.asked <- struct{}{}
	<-s.let
	return s.Store.KillApp(ctx, app)
}

// TestOverloaded has more requests on their way than may be: one more hears so at once,
// and so do those of all routes but the health routes' and /metrics.
func TestOverloaded(t *testing.T) {
	const most = 3
	s := &standing{still(), make(chan struct{}), make(chan struct{})}
	api := New(s, Options{Metrics: NewMetrics("test"), Logf: t.Logf, MaxInFlight: most})
	api.SetKeys(testKeys(t))
	w := serveAPI(t, api)
	var waiting sync.WaitGroup
	start := func(method, path, want string) {
		waiting.Go(func() { w.expect(w.do(method, path, "", with(keyAll)), 200, want) })
		<-s.asked
	}
	for range most {
		start("GET", "/app/get/"+aToken, "{}")
	}
	begin, shed := time.Now(), 0
	for _, r := range everyRoute(aToken) {
		if strings.Contains(r[1], "/kill") && !strings.Contains(r[1], "/kill/") || r[1] == "/ping" {
			continue
		}
		w.expectError(w.doJSON(r[0], r[1], r[2], with(keyAll)), 503, "overloaded", "")
		shed++
	}
	for _, path := range []string{"/ping", "/livez", "/readyz", "/healthz", "/metrics"} {
		if a := w.do("GET", path, ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	// Who may not come in hears that, and who asks for nothing that there is.
	w.expectError(w.do("GET", "/app/get/"+aToken, "", with(keyStranger)), 401, "unauthorized", "")
	w.expectError(w.do("GET", "/nowhere", "", with(keyAll)), 404, "notFound", "")
	// Removals of many are counted by themselves.
	w.expect(w.do("DELETE", "/app/killsoid/id", "", with(keyAll)), 200, `{"kill":0}`)
	for range most {
		start("DELETE", "/app/killall", `{"kill":0}`)
	}
	w.expectError(w.do("DELETE", "/app/killall", "", with(keyAll)), 503, "overloaded", "")
	w.expectError(w.do("DELETE", "/app/killsoid/id", "", with(keyAll)), 503, "overloaded", "")
	if took := time.Since(begin); took > exchangeTimeout/2 {
		t.Errorf("to say no took %v", took)
	}
	metrics := w.do("GET", "/metrics", "").body
	for _, want := range []string{
		"rest_sessions_requests_in_flight 7", "rest_sessions_in_flight_limit 3",
		fmt.Sprintf(`rest_sessions_shed_total{reason="requests"} %d`, shed), `rest_sessions_shed_total{reason="removals"} 2`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	close(s.let)
	waiting.Wait()
	go func() {
		for range s.asked {
		}
	}()
	defer close(s.asked)
	// All have left, those that failed, too.
	for range 2 * most {
		w.expect(w.do("GET", "/app/get/"+aToken, "", with(keyAll)), 200, "{}")
		w.expectError(w.do("GET", "/app/soapp?dt=x", "", with(keyAll)), 400, "invalidValue", "")
		w.expect(w.do("DELETE", "/app/killall", "", with(keyAll)), 200, `{"kill":0}`)
	}
	api.store = nil
	for range 2 * most {
		w.expectError(w.do("GET", "/app/get/"+aToken, "", with(keyAll)), 500, "internalError", "")
	}
	api.store = s
}

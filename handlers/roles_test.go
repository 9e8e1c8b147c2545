package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestRoles sends each route with a key of each role, and without an escape in the app
// and with one, which is another way to the endpoint.
func TestRoles(t *testing.T) {
	// By verb, the roles that may use it; a key without a role may all.
	may := map[string]string{
		"create": "web", "get": "ro web", "set": "web", "touch": "web", "rotate": "web", "kill": "web", "killsoid": "web", "killall": "",
		"soid": "ro web", "soapp": "ro", "activity": "ro",
		"auth": "ro web auth",
	}
	keys := []struct{ role, key, message string }{
		{"", keyShop, ""},
		{"ro", keyReader, "The API key is for reading only"},
		{"web", keyWeb, "The API key has the role !web, which may not use this route"},
		{"auth", keyAuth, "The API key has the role !auth, which may use the route auth only"},
	}
	w := serveEmbedded(t)
	token := w.create("shop", "id", "ip=::1", "")
	w.api.SetKeys(testKeys(t))
	sent := map[string]bool{}
	refused := map[string]int{}
	for _, r := range everyRoute(token) {
		if r[1] == "/ping" {
			continue
		}
		verb, _, _ := strings.Cut(strings.TrimPrefix(r[1], "/app/"), "/")
		verb, _, _ = strings.Cut(verb, "?")
		roles, known := may[verb]
		if !known {
			t.Errorf("%s: the test does not know who may use it", verb)
		}
		sent[verb] = true
		for _, app := range []string{"/shop/", "/%73hop/"} {
			path := strings.Replace(r[1], "/app/", app, 1)
			for _, k := range keys {
				a := w.doJSON(r[0], path, r[2], with(k.key)+"\r\nX-Session-Token: "+token)
				if k.role == "" || slices.Contains(strings.Fields(roles), k.role) {
					if a.status != http.StatusOK {
						t.Errorf("%s %s with !%s: %d %s", r[0], path, k.role, a.status, a.body)
					}
					continue
				}
				refused[k.role]++
				w.expectError(a, 403, "forbidden", k.message)
				if t.Failed() {
					t.Fatalf("by %s %s with !%s", r[0], path, k.role)
				}
			}
		}
	}
	for route := range parameters {
		if !strings.HasPrefix(route, "/{app}/") {
			continue
		}
		if verb, _, _ := strings.Cut(strings.TrimPrefix(route, "/{app}/"), "/"); !sent[verb] {
			t.Errorf("%s is not in everyRoute", route)
		}
	}
	// Metrics are no business of a web tier's. From another machine, that is.
	for _, k := range keys {
		a := w.do("GET", "/metrics", "", with(k.key), "X-Forwarded-For: 192.0.2.7")
		if k.role == "" || k.role == "ro" {
			if a.status != 200 {
				t.Errorf("/metrics with !%s: %d %s", k.role, a.status, a.body)
			}
			continue
		}
		refused[k.role]++
		w.expectError(a, 403, "forbidden", k.message)
		// What is not a route is told to whoever has a key.
		w.expectError(w.do("GET", "/nowhere", "", with(k.key)), 404, "notFound", "")
		w.expectError(w.do("PATCH", "/shop/activity", "", with(k.key)), 405, "methodNotAllowed", "")
	}
	metrics := w.do("GET", "/metrics", "").body
	for reason, n := range map[string]int{"read_only": refused["ro"], "role": refused["web"] + refused["auth"]} {
		if line := fmt.Sprintf("\nrest_sessions_refused_total{reason=%q} %d\n", reason, n); !strings.Contains(metrics, line) {
			t.Errorf("no line %s", line)
		}
	}
}

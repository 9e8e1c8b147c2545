package handlers

import (
	"strings"
	"testing"
)

// TestHotWrites makes writes by paths that hot takes, and by others of the same routes that
// only the router takes.
func TestHotWrites(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("app", "id", "ip=::1", "")
	for _, c := range []struct{ method, plain, other, body string }{
		{"PUT", "/app/create/id", "/app/create/i%64", ""},
		{"PUT", "/app/create/id?ip=::1&tll=9", "/app/create/i%64?ip=::1&tll=9", ""},
		{"PUT", "/app/create/id?ip=::1", "/app/create/id?ip=::1", "[1]"},
		{"PUT", "/ap/create/id?ip=::1", "/ap/create/i%64?ip=::1", ""},
		{"POST", "/app/set/" + token + "?if_w=7", "/app/SET/" + token + "?if_w=7", `{"a":1}`},
		{"POST", "/app/set/" + token, "/app/SET/" + token, `{}`},
		{"POST", "/app/set/" + strings.Repeat("a", 64), "/app/set/" + strings.Repeat("a", 64) + "/", `{"a":1}`},
		{"DELETE", "/app/kill/" + strings.Repeat("a", 64), "/app/kill/" + strings.Repeat("a", 64) + "/", ""},
		{"DELETE", "/app/kill/" + token + "?x=1", "/app/Kill/" + token + "?x=1", ""},
		{"GET", "/app/kill/" + token, "/app/Kill/" + token, ""},
	} {
		plain, other := w.do(c.method, c.plain, c.body), w.do(c.method, c.other, c.body)
		if plain.status != other.status || plain.body != other.body {
			t.Errorf("%s %s: %d %s, but %s: %d %s", c.method, c.plain, plain.status, plain.body, c.other, other.status, other.body)
		}
	}
	if a := w.do("POST", "/app/set/"+token, `{"a":1}`); a.status != 200 || !strings.Contains(a.body, `"d":{"a":1}`) {
		t.Errorf("set: %d %s", a.status, a.body)
	}
	w.expect(w.do("DELETE", "/app/kill/"+token, ""), 200, `{"kill":1}`)
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, "{}")
}

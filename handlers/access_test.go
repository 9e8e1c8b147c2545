package handlers

import (
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/sources"
)

// Keys of tests.
const (
	keyAll      = "all0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyShop     = "shop0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyReader   = "reader0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyWeb      = "web0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyAuth     = "auth0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyStranger = "stranger0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func testKeys(tb testing.TB) *apikey.Set {
	tb.Helper()
	keys, err := apikey.Parse("all:" + keyAll + " shop@shop,blog:" + keyShop + " reader@shop!ro:" + keyReader +
		" web@shop!web:" + keyWeb + " auth@shop!auth:" + keyAuth)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// with makes the header that shows a key.
func with(key string) string { return "Authorization: Bearer " + key }

// serveKeyed starts a server that has keys.
func serveKeyed(t *testing.T) *site {
	w := serveEmbedded(t)
	w.api.SetKeys(testKeys(t))
	return w
}

// doJSON sends a request with a body, "" for none, and a header.
func (w *site) doJSON(method, path, body, header string) answer {
	w.tb.Helper()
	if body == "" {
		return w.do(method, path, "", header)
	}
	return w.do(method, path, body, header, "Content-Type: application/json")
}

// TestAccess sends each route with keys of all apps and of some; see TestRoles.
func TestAccess(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "id", "ip=::1", "")
	w.api.SetKeys(testKeys(t))
	for _, r := range everyRoute(token) {
		method, path, body := r[0], r[1], r[2]
		if path == "/ping" || path == "/app/auth" { // see TestAuthAccess
			continue
		}
		shop, other := strings.Replace(path, "/app/", "/shop/", 1), strings.Replace(path, "/app/", "/news/", 1)
		for _, c := range []struct {
			path, key, name string
			status          int
		}{
			{other, keyReader, "forbidden", 403},
			{other, keyWeb, "forbidden", 403},
			{other, keyAuth, "forbidden", 403},
			{other, keyShop, "forbidden", 403},
			{strings.Replace(shop, "/shop/", "/blog/", 1), keyReader, "forbidden", 403},
			{strings.Replace(shop, "/shop/", "/blog/", 1), keyShop, "", 200},
			{strings.Replace(shop, "/shop/", "/%73hop/", 1), keyShop, "", 200},
			{strings.Replace(shop, "/shop/", "/sh%2Fop/", 1), keyShop, "forbidden", 403},
			{strings.Replace(shop, "/shop/", "/sh%2Fop/", 1), keyAll, "invalidFormat", 400},
			{shop, keyShop, "", 200},
			{shop, keyAll, "", 200},
			{other, keyAll, "", 200},
		} {
			a := w.doJSON(method, c.path, body, with(c.key))
			if c.status == 200 {
				if a.status != 200 {
					t.Errorf("%s %s with %.6s: %d %s", method, c.path, c.key, a.status, a.body)
				}
				continue
			}
			w.expectError(a, c.status, c.name, "")
			if t.Failed() {
				t.Fatalf("by %s %s with %.6s", method, c.path, c.key)
			}
		}
	}
	// What was refused has done nothing.
	w.expect(w.do("GET", "/news/activity?dt=60", "", with(keyAll)), 200, `{"activity":0}`)
}

// TestRefusedChangesNothing checks that a refusal comes before the store is asked.
func TestRefusedChangesNothing(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "id", "ip=::1", `{"a":1}`)
	session := `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1","d":{"a":1}}`
	w.api.SetKeys(testKeys(t))
	for _, header := range []string{"X-None: 1", with(keyReader)} {
		for _, r := range everyRoute(token) {
			if r[0] == "GET" && header != "X-None: 1" || r[1] == "/ping" {
				continue
			}
			w.api.sources = sources.New(sources.Options{Logf: t.Logf}) // more routes than failed tries are answered 401
			a := w.doJSON(r[0], strings.Replace(r[1], "/app/", "/shop/", 1), r[2], header)
			if a.status != 401 && a.status != 403 {
				t.Errorf("%s %s: %d %s", r[0], r[1], a.status, a.body)
			}
		}
	}
	w.expect(w.do("GET", "/shop/get/"+token, "", with(keyReader)), 200, session)
}

// TestUnauthorized sends what is no key.
func TestUnauthorized(t *testing.T) {
	for header, ok := range map[string]bool{
		with(keyAll):                              true,
		"authorization: bearer " + keyAll:         true,
		"AUTHORIZATION: BEARER   " + keyAll:       true,
		with(keyAll) + " ":                        true,
		"X-None: 1":                               false,
		"Authorization:":                          false,
		"Authorization: Bearer":                   false,
		"Authorization: Bearer ":                  false,
		"Authorization: Bearer" + keyAll:          false,
		"Authorization: " + keyAll:                false,
		"Authorization: Basic " + keyAll:          false,
		"Authorization: Bearer: " + keyAll:        false,
		"Authorization: Bearer\t" + keyAll:        false,
		"X-Authorization: Bearer " + keyAll:       false,
		"Proxy-Authorization: Bearer " + keyAll:   false,
		with(keyStranger):                         false,
		with(keyAll[1:]):                          false,
		with(keyAll + "0"):                        false,
		with(keyAll + "," + keyAll):               false,
		with(keyAll + " " + keyAll):               false,
		with(strings.ToLower(keyAll)):             false,
		with(strings.Repeat("x", 4000)):           false,
		with(keyAll) + "\r\n" + with(keyAll):      false, // one of them may be of who is behind a proxy
		with(keyStranger) + "\r\n" + with(keyAll): false,
	} {
		w := serveKeyed(t) // for each a fresh one: tries are limited
		for _, path := range []string{"/app/get/" + aToken, "/app/get/%41" + aToken[1:], "/app/activity?dt=60"} {
			a := w.do("GET", path, "", header)
			if ok != (a.status == 200) {
				t.Errorf("%q: %d %s", header, a.status, a.body)
			}
			if !ok {
				w.expectError(a, 401, "unauthorized", "")
			}
		}
	}
	w := serveKeyed(t)
	for _, r := range [][2]string{{"GET", "/nowhere"}, {"POST", "/"}, {"PATCH", "/app/activity"}, {"OPTIONS", "/app/killall"}} {
		w.expectError(w.do(r[0], r[1], ""), 401, "unauthorized", "")
	}
	// The name of a key in the query is nobody's.
	w.expectError(w.do("GET", "/app/get/"+aToken+"?access_token="+keyAll, ""), 401, "unauthorized", "")
	w.expectError(w.do("GET", "/nowhere", "", with(keyReader)), 404, "notFound", "")
	w.expectError(w.do("PATCH", "/app/activity", "", with(keyReader)), 405, "methodNotAllowed", "")
}

func TestOpenRoutes(t *testing.T) {
	w := serveKeyed(t)
	for range 2 * sources.AttemptBurst {
		w.do("GET", "/app/get/"+aToken, "", with(keyStranger))
	}
	for _, path := range []string{"/", "/openapi.json", "/console", "/console/main.js", "/ping", "/livez", "/readyz", "/healthz", "/metrics"} {
		if a := w.do("GET", path, ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if a := w.do("GET", path, "", with(keyStranger)); a.status != 200 {
			t.Errorf("%s with a wrong key: %d %s", path, a.status, a.body)
		}
	}
}

// TestMetricsAccess reads /metrics from this machine and from others.
func TestMetricsAccess(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	handler := api.Handler()
	get := func(from net.Addr, headers ...string) int {
		var request fasthttp.Request
		request.SetRequestURI("/metrics")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			request.Header.Set(name, value)
		}
		var ctx fasthttp.RequestCtx
		ctx.Init(&request, from, nil)
		handler(&ctx)
		return ctx.Response.StatusCode()
	}
	remote := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 5}
	for _, c := range []struct {
		keys   *apikey.Set
		from   net.Addr
		header string
		want   int
	}{
		{nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", 200},
		{nil, &net.TCPAddr{IP: net.IPv6loopback}, "", 200},
		{nil, &net.UnixAddr{Net: "unix"}, "", 200},
		{nil, remote, "", 403},
		{nil, remote, with(keyAll), 403},
		{nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "X-Forwarded-For: 192.0.2.7", 403},
		{nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "Forwarded: for=192.0.2.7", 403},
		{nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "X-Real-IP: 192.0.2.7", 403},
		{testKeys(t), &net.TCPAddr{IP: net.IPv6loopback}, "", 200},
		{testKeys(t), remote, "", 401},
		{testKeys(t), remote, "X-Forwarded-For: 127.0.0.1", 401},
		{testKeys(t), remote, with(keyStranger), 401},
		{testKeys(t), remote, with(keyAll), 200},
		{testKeys(t), remote, with(keyReader), 200},
	} {
		api.SetKeys(c.keys)
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		if got := get(c.from, headers...); got != c.want {
			t.Errorf("from %v, %q, keys %v: %d, not %d", c.from, c.header, c.keys != nil, got, c.want)
		}
	}
}

// TestAttempts makes a source fail too often, and then serves its right key.
func TestAttempts(t *testing.T) {
	w := serveKeyed(t)
	path := "/app/get/" + aToken
	for i := range sources.AttemptBurst {
		header := with(keyStranger)
		if i%2 == 1 {
			header = "X-None: 1"
		}
		w.expectError(w.do("GET", path, "", header), 401, "unauthorized", "")
	}
	a := w.do("GET", path, "", with(keyStranger))
	w.expectError(a, 429, "tooManyAttempts", "")
	if after := a.header.Get("Retry-After"); after == "0" || len(after) != 1 || after > "6" {
		t.Errorf("Retry-After is %q", after)
	}
	w.expect(w.do("GET", path, "", with(keyAll)), 200, "{}")
	w.expectError(w.do("GET", path, ""), 429, "tooManyAttempts", "")
	if log := w.log.String(); strings.Count(log, "sends requests without a valid API key") != 1 || !strings.Contains(log, "127.0.0.1 ") {
		t.Errorf("the log:\n%s", log)
	}
	metrics := w.do("GET", "/metrics", "").body
	for _, want := range []string{
		`rest_sessions_refused_total{reason="invalid"} 5`, `rest_sessions_refused_total{reason="missing"} 5`,
		`rest_sessions_refused_total{reason="limited"} 2`, `rest_sessions_errors_total{name="unauthorized"} 10`,
		`rest_sessions_errors_total{name="tooManyAttempts"} 2`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	w.api.SetKeys(nil)
	w.expect(w.do("GET", path, "", with(keyStranger)), 200, "{}")
}

// TestKeysChange takes a key away while the server runs.
func TestKeysChange(t *testing.T) {
	w := serveKeyed(t)
	path := "/shop/get/" + aToken
	w.expect(w.do("GET", path, "", with(keyShop)), 200, "{}")
	keys, err := apikey.Parse("new:" + keyStranger)
	if err != nil {
		t.Fatal(err)
	}
	w.api.SetKeys(keys)
	w.expectError(w.do("GET", path, "", with(keyShop)), 401, "unauthorized", "")
	w.expect(w.do("GET", path, "", with(keyStranger)), 200, "{}")
}

// TestExpectNeedsKey does not ask for the body of who has no key.
func TestExpectNeedsKey(t *testing.T) {
	w := serveKeyed(t)
	head := "PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
	for _, framing := range []string{"Content-Length: 7\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		w.expectError(w.raw("PUT", head+framing), 401, "unauthorized", "")
		a := w.raw("PUT", head+with(keyAll)+"\r\n"+framing)
		if a.status != 100 {
			t.Errorf("with a key: %d %s", a.status, a.body)
		}
	}
	if a := w.raw("GET", "GET /livez HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n\r\n"); a.status != 100 {
		t.Errorf("an open route: %d %s", a.status, a.body)
	}
}

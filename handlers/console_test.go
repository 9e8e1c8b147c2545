package handlers

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/console"
)

// TestConsole reads the page and its files, which need no key, as a browser does that has
// them and one that has not.
func TestConsole(t *testing.T) {
	w := serveKeyed(t)
	for _, file := range console.Files() {
		path := "/console/" + file.Name
		if file.Name == console.PageName {
			path = "/console"
		}
		a := w.do("GET", path, "")
		if a.status != 200 || a.body != file.Body || a.body == "" {
			t.Errorf("%s: %d %.80s", path, a.status, a.body)
		}
		for name, want := range map[string]string{
			"Content-Type": file.ContentType, "Cache-Control": "no-cache", "ETag": file.ETag, "X-Content-Type-Options": "nosniff",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, not %q", path, name, got, want)
			}
		}
		if a := w.do("GET", path, "", `If-None-Match: "other", W/`+file.ETag); a.status != 304 || a.body != "" || a.header.Get("ETag") != file.ETag {
			t.Errorf("%s, known: %d %.80s", path, a.status, a.body)
		}
		if a := w.do("GET", path, "", `If-None-Match: "other"`); a.status != 200 {
			t.Errorf("%s, known as it was: %d", path, a.status)
		}
		if a := w.do("HEAD", path, ""); a.status != 200 || a.body != "" {
			t.Errorf("HEAD %s: %d %.80s", path, a.status, a.body)
		}
	}
	page := w.do("GET", "/console", "")
	if policy := page.header.Get("Content-Security-Policy"); policy != console.Policy || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	if got := page.header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy is %q", got)
	}
	for what, form := range map[string]string{"a script": `(?i)<script(\s+[^>]*)?>[^<]`, "a style": `(?i)<style|\sstyle=`, "a handler": `(?i)\son[a-z]+=`, "an origin": `(?i)https?://`} {
		if found := regexp.MustCompile(form).FindString(page.body); found != "" {
			t.Errorf("%s stands in the page: %s", what, found)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="(console/[^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		if a := w.do("GET", "/"+m[1], ""); a.status != 200 {
			t.Errorf("the page needs %s: %d", m[1], a.status)
		}
	}
	if a := w.do("GET", "/Console/", ""); a.status != 308 || a.header.Get("Location") != "../console" {
		t.Errorf("with a slash at the end: %d to %q", a.status, a.header.Get("Location"))
	}
}

// TestConsoleIsAnApp uses an app that is named console.
func TestConsoleIsAnApp(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("console", "id", "ip=::1", "")
	for _, r := range everyRoute(token) {
		path := strings.Replace(r[1], "/app/", "/console/", 1)
		if a := w.doJSON(r[0], path, r[2], tokenHeader+": "+token); a.status != 200 {
			t.Errorf("%s %s: %d %s", r[0], path, a.status, a.body)
		}
	}
	w.expect(w.do("GET", "/console/Activity/?dt=60", ""), 200, `{"activity":0}`)
	w.expectError(w.do("POST", "/console/activity", ""), 405, "methodNotAllowed", "")
	for _, file := range console.Files() {
		if !regexp.MustCompile(`^[a-z0-9.-]+\.(js|css|svg|html)$`).MatchString(file.Name) {
			t.Errorf("the name %s may be that of a route of an app", file.Name)
		}
	}
}

// TestConsoleOff turns it off: its paths are none, as any other.
func TestConsoleOff(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf, NoConsole: true})
	w := serveAPI(t, api)
	for _, path := range []string{"/console", "/console/", "/console/main.js", "/console/access.json"} {
		w.expectError(w.do("GET", path, ""), 404, "notFound", "")
	}
	for _, on := range []*site{w, serveEmbedded(t)} {
		if a := on.do("GET", "/", ""); strings.Contains(a.body, "/console") != (on != w) {
			t.Errorf("/ says %s", a.body)
		}
	}
	api.SetKeys(testKeys(t))
	w.expectError(w.do("GET", "/console", ""), 401, "unauthorized", "")
}

// TestConsoleAccess asks what each key may do, from another machine. What it says is not
// refused there must be let in, and the other way round.
func TestConsoleAccess(t *testing.T) {
	w := serveEmbedded(t)
	remote := "X-Forwarded-For: 192.0.2.7"
	routes := map[string][2]string{
		"metrics": {"GET", "/metrics"}, "activity": {"GET", "/shop/activity?dt=60"}, "soapp": {"GET", "/shop/soapp?dt=60"},
		"soid": {"GET", "/shop/soid/id"}, "killsoid": {"DELETE", "/shop/killsoid/id"},
	}
	check := func(key, query, want string) {
		t.Helper()
		header := remote
		if key != "" {
			header += "\r\n" + with(key)
		}
		a := w.do("GET", "/console/access.json"+query, "", header)
		w.expect(a, 200, want)
		for name, r := range routes {
			status := w.do(r[0], r[1], "", header).status
			if query == "?app=shop" && strings.Contains(a.body, `"`+name+`"`) != (status == 200) {
				t.Errorf("%s says %s, but %s %s is %d", key, a.body, r[0], r[1], status)
			}
		}
	}
	check("", "?app=shop", `{"key_required":false,"may":["activity","soapp","soid","killsoid"]}`)
	w.api.SetKeys(testKeys(t))
	check("", "?app=shop", `{"key_required":true,"may":[]}`)
	check(keyAll, "?app=shop", `{"key_required":true,"name":"all","role":"","may":["metrics","activity","soapp","soid","killsoid"]}`)
	check(keyAll, "", `{"key_required":true,"name":"all","role":"","may":["metrics","activity","soapp","soid","killsoid"]}`)
	w.expectError(w.do("GET", "/console/access.json?app=a", ""), 400, "invalidFormat", "Invalid app format")
	w.expectError(w.do("GET", "/console/access.json?apps=shop", ""), 400, "unknownParameter", "")
	w.expectError(w.do("GET", "/console/access.json", "", with(keyStranger)), 401, "unauthorized", "")
	for _, key := range []string{keyShop, keyReader, keyWeb, keyAuth} {
		a := w.do("GET", "/console/access.json?app=shop", "", remote, with(key))
		t.Logf("%s", a.body)
		check(key, "?app=shop", a.body)
	}
	refused := w.do("GET", "/metrics", "").body
	w.do("GET", "/console/access.json?app=blog", "", with(keyWeb))
	if got := w.do("GET", "/metrics", "").body; counted(got) != counted(refused) {
		t.Error("to ask what a key may do is counted as refused")
	}
}

// counted are the lines of refusals.
func counted(metrics string) string {
	return strings.Join(regexp.MustCompile(`(?m)^rest_sessions_refused_total.*$`).FindAllString(metrics, -1), "\n")
}

// TestConsoleAccessOfTheMachine reads figures without a key on the server's own machine.
func TestConsoleAccessOfTheMachine(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	handler := api.Handler()
	for _, c := range []struct {
		keys *apikey.Set
		from net.IP
		want string
	}{
		{nil, net.IPv4(127, 0, 0, 1), `{"key_required":false,"may":["metrics","activity","soapp","soid","killsoid"]}`},
		{nil, net.IPv4(192, 0, 2, 7), `{"key_required":false,"may":["activity","soapp","soid","killsoid"]}`},
		{testKeys(t), net.IPv4(127, 0, 0, 1), `{"key_required":true,"may":["metrics"]}`},
		{testKeys(t), net.IPv4(192, 0, 2, 7), `{"key_required":true,"may":[]}`},
	} {
		api.SetKeys(c.keys)
		var request fasthttp.Request
		request.SetRequestURI("/console/access.json")
		var ctx fasthttp.RequestCtx
		ctx.Init(&request, &net.TCPAddr{IP: c.from, Port: 5}, nil)
		handler(&ctx)
		if got := string(ctx.Response.Body()); ctx.Response.StatusCode() != http.StatusOK || got != c.want {
			t.Errorf("from %v: %d %s, not %s", c.from, ctx.Response.StatusCode(), got, c.want)
		}
	}
}

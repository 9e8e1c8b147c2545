package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestConsoleOff turns the console off.
func TestConsoleOff(t *testing.T) {
	t.Parallel()
	s := startSite(t, "RS_CONSOLE=false")
	for _, path := range []string{"/console", "/console/main.js", "/console/access.json"} {
		response, err := http.Get(s.origin + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 404 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	s.ask("PUT", "/console/create/ann?ip=192.0.2.1", "", "") // an app of that name is another thing
}

// TestUnderAPath has the console behind a proxy, under a path, with a slash at the end.
func TestUnderAPath(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	s.ask("PUT", "/shop/create/ann?ip=192.0.2.1", "", "")
	proxy := httptest.NewServer(http.StripPrefix("/sessions", proxyTo(t, s)))
	t.Cleanup(proxy.Close)
	b := openTab(t, proxy.URL, "/sessions/Console/")
	b.open("", "shop")
	b.waitText("#latest-sessions", "ann")
	if got := eval[string](b, "location.pathname"); got != "/sessions/console" {
		t.Errorf("the page is at %s", got)
	}
}

// TestSeveralServers has two servers answer in turns, as behind a balancer.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	one, two := startSite(t), startSite(t)
	to := []http.Handler{proxyTo(t, one), proxyTo(t, two)}
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		which := 0
		if strings.HasSuffix(r.URL.Path, "/metrics") {
			which = int(asked.Add(1) % 2)
		}
		to[which].ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	b := openTab(t, proxy.URL, "/console")
	b.choose("#every", "1")
	b.waitText("#server-said", "Several servers answer at this address")
}

// TestLongLists goes through a list in pages.
func TestLongLists(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	for i := range 130 {
		s.ask("PUT", fmt.Sprintf("/shop/create/ann?ip=192.0.2.%d", i), "", "")
	}
	b := openTab(t, s.origin, "/console")
	b.open("", "shop")
	b.waitText("#latest-said", "The latest 50 sessions; there are more")
	rows := func(list string) int {
		return eval[int](b, `document.querySelectorAll("#`+list+`-sessions tbody tr").length`)
	}
	for eval[bool](b, `document.querySelector("#latest-more").checkVisibility()`) {
		before := rows("latest")
		b.click("#latest-more")
		b.waitFor("more", fmt.Sprintf(`document.querySelectorAll("#latest-sessions tbody tr").length > %d`, before))
		if got := eval[int](b, `[...document.querySelectorAll("#latest-sessions tbody tr")].indexOf(document.activeElement.closest("tr"))`); got != before {
			t.Errorf("after More the focus is in row %d, not %d", got, before)
		}
	}
	if n := rows("latest"); n != 130 {
		t.Errorf("%d sessions are listed", n)
	}
	b.waitText("#latest-said", "130 sessions, as of")
	b.showUser("ann")
	b.waitText("#user-said", "ann has 100 sessions; there are more")
	b.click("#user-more")
	b.waitText("#user-said", "ann has 130 sessions, as of")
}

func proxyTo(t *testing.T, s *site) http.Handler {
	t.Helper()
	target, err := url.Parse(s.origin)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
)

const (
	keyAll    = "all-0123456789abcdefghijklmnopqrstuv"
	keyReader = "reader-0123456789abcdefghijklmnopqrs"
	keyWeb    = "web-0123456789abcdefghijklmnopqrstuv"
	keyAuth   = "auth-0123456789abcdefghijklmnopqrstu"
	keyBlog   = "blog-0123456789abcdefghijklmnopqrstu"

	someKeys = "RS_API_KEYS=all:" + keyAll + " reader@shop!ro:" + keyReader + " web@shop!web:" + keyWeb + " auth!auth:" + keyAuth + " blog@blog,news:" + keyBlog
)

// TestKeys opens the console with each kind of key, as from another machine: the page says
// what a key lacks, has nothing that it may not do, and asks nothing that would be refused.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := startSite(t, someKeys)
	s.ask("PUT", "/shop/create/ann?ip=192.0.2.1", keyAll, "")
	b := openTabFrom(t, s.origin, "/console", network.Headers{"X-Forwarded-For": "192.0.2.7"})
	b.waitText("#access-said", "This server asks for an API key.")
	b.waitText("#latest-said", "This needs a key.")
	for _, c := range []struct {
		key, said                  string
		figures, lists, user, ends bool
	}{
		{keyAll, "Key all, for all apps.", true, true, true, true},
		{keyReader, "Key reader (!ro), for the app shop. It may not end sessions.", true, true, true, false},
		{keyWeb, "Key web (!web), for the app shop. It may not read the server's figures, count active users or list an app's sessions.", false, false, true, true},
		{keyAuth, "Key auth (!auth), for all apps. It may not read the server's figures, count active users, list an app's sessions, list a user's sessions or end sessions.", false, false, false, false},
		{keyBlog, "Key blog, for the apps blog, news. It is not for the app shop.", true, false, false, false},
	} {
		b.open(c.key, "shop")
		b.waitText("#access-said", c.said)
		if c.user {
			b.showUser("ann")
			b.waitText("#user-said", "ann has 1 session")
			b.waitFor("buttons that end, or none", "document.querySelectorAll('#user-sessions .danger').length === "+map[bool]string{true: "1", false: "0"}[c.ends])
			b.is("End all", "#end-all", c.ends)
		} else {
			b.waitText("#user-said", "The key may not ask for this.")
			b.is("the field for a user", "#user", false)
		}
		if c.lists {
			b.waitText("#latest-sessions", "ann")
			b.waitText("#active-now", "1")
		} else {
			b.waitText("#latest-said", "The key may not ask for this.")
			b.is("a list", "#latest-sessions table", false)
			b.is("active users", "#active", false)
		}
		if c.figures {
			b.waitText("#store", "Circuit")
		} else {
			b.waitText("#server-said", "The key may not ask for this.")
			b.is("figures", "#server", false)
		}
		b.shot("key-" + strings.Fields(c.said)[1])
	}
	metrics := s.ask("GET", "/metrics", keyAll, "")
	for line := range strings.SplitSeq(metrics, "\n") {
		if strings.HasPrefix(line, "rest_sessions_refused_total{") && !strings.HasSuffix(line, " 0") {
			t.Errorf("the console asked what was refused: %s", line)
		}
	}
}

// TestWrongKey shows keys that there are not, too often at the end, then a right one. The
// tab forgets a wrong key, and the right one when it is told to.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	s := startSite(t, someKeys)
	b := openTab(t, s.origin, "/console")
	b.open("no such key", "shop")
	b.waitText("#access-said", "A key has no spaces")
	b.open("", "a/b")
	b.waitText("#access-said", "An app's name is 3 to 20")
	b.open("nobody-0123456789abcdefghijklmnopqrs", "shop")
	b.waitText("#access-said", "The server knows no such key.")
	b.is("a list", "#latest-sessions table", false)
	for _, view := range []string{"server", "active", "user", "latest"} {
		b.waitText("#"+view+"-said", "This needs a valid key.")
	}
	b.shot("wrong-key")
	if got := eval[string](b, `sessionStorage.getItem("rest-sessions key") ?? ""`); got != "" {
		t.Errorf("the tab keeps the key %q", got)
	}
	for range 20 {
		request, _ := http.NewRequest("GET", s.origin+"/shop/activity?dt=60", nil)
		request.Header.Set("Authorization", "Bearer nobody")
		if response, err := http.DefaultClient.Do(request); err != nil {
			t.Fatal(err)
		} else {
			response.Body.Close()
		}
	}
	b.open("nobody-0123456789abcdefghijklmnopqrs", "shop")
	b.waitText("#access-said", "Too many requests from this address had no valid key. Try again in")
	b.open(keyReader, "shop")
	b.waitText("#latest-said", "0 sessions")
	b.waitText("#routes", "From the second answer on.")
	b.waitText("#errors", "From the second answer on.")
	b.click("#forget")
	b.waitText("#access-said", "This server asks for an API key.")
	if got := eval[string](b, `JSON.stringify([sessionStorage.getItem("rest-sessions key"), localStorage.length, document.cookie, location.search])`); got != `[null,0,"",""]` {
		t.Errorf("what is kept is %s", got)
	}
	for _, r := range b.requests {
		if strings.Contains(r, keyReader) {
			t.Errorf("the key stands in a URL: %s", r)
		}
	}
}

// TestKeyTakenAway removes the key that is used while the page is open.
func TestKeyTakenAway(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/keys"
	write(t, file, strings.TrimPrefix(someKeys, "RS_API_KEYS="))
	s := startSite(t, "RS_API_KEYS_FILE="+file)
	b := openTab(t, s.origin, "/console")
	b.choose("#every", "1")
	b.open(keyReader, "shop")
	b.waitText("#latest-said", "0 sessions")
	write(t, file, "all:"+keyAll)
	s.hangup()
	b.waitText("#access-said", "The server knows no such key.")
	b.is("a list", "#latest", false)
}

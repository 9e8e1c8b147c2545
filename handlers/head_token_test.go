package handlers

import (
	"net/http"
	"strings"
	"testing"

	"rest-sessions/handlers/sources"
	"rest-sessions/store"
)

// Messages of 401 noToken.
const (
	saidMissing    = "There is no session token in the request, neither in the header X-Session-Token nor in the cookie sid"
	saidHeader     = "The header X-Session-Token holds no session token, which is 64 of A-Z a-z 0-9"
	saidTwoHeaders = "The header X-Session-Token is in the request more than once"
	saidCookie     = "The cookie sid holds no session token, which is 64 of A-Z a-z 0-9"
	saidTwoCookies = "The cookie sid is in the request twice with different values"
)

// TestTokenInHeadRoutes uses each route with a token by the header and by the cookie.
func TestTokenInHeadRoutes(t *testing.T) {
	w := serveEmbedded(t)
	for _, field := range []string{"X-Session-Token: ", "Cookie: sid="} {
		token := w.create("app", "id", "ip=::1", "")
		other := w.create("app", "id", "ip=::2", "")
		head := field + token
		w.expect(w.do("GET", "/app/get/-", "", head), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
		w.expect(w.do("POST", "/app/set/-", `{"a":1}`, head, "Content-Type: application/json"), 200, `{"id":"id","r":2,"w":2,"ttl":7200,"idle":0,"ip":"::1","d":{"a":1}}`)
		w.expect(w.do("DELETE", "/app/killsoid/id?except=-", "", head), 200, `{"kill":1}`)
		w.expect(w.do("GET", "/app/get/"+other, ""), 200, "{}")
		a := w.do("POST", "/app/rotate/-?grace=0", "", head)
		if a.status != 200 || !strings.HasPrefix(a.body, `{"token":"`+token[:store.CursorTokenLen]) {
			t.Errorf("rotate: %d %s", a.status, a.body)
		}
		w.expect(w.do("GET", "/app/get/-", "", head), 200, "{}")
		head = field + a.body[len(`{"token":"`):][:store.TokenLen]
		w.expect(w.do("DELETE", "/app/kill/-", "", head), 200, `{"kill":1}`)
		w.expect(w.do("DELETE", "/app/kill/-", "", head), 200, `{"kill":0}`)
	}
}

// TestTokenInHead sends what is a token in the head of a request, and what is none. The
// first path is answered by hot, the others by the router.
func TestTokenInHead(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("app", "id", "ip=::1", "")
	other := w.create("app", "other", "ip=::1", "")
	const header, cookie = "X-Session-Token: ", "Cookie: sid="
	for _, c := range []struct{ head, message string }{
		{header + token, ""},
		{"x-session-token:" + token, ""},
		{"X-SESSION-TOKEN: \t " + token + " \t", ""},
		{header + token + "\r\n" + cookie + other, ""},
		{cookie + other + "\r\n" + header + token, ""},
		{header + token + "\r\n" + cookie + other + "; sid=x", ""},
		{header + token + "\r\nConnection: X-Session-Token", ""},
		{cookie + token, ""},
		{"cookie: a=b; sid=" + token + "; sid2=c", ""},
		{cookie + `"` + token + `"`, ""},
		{"Cookie: a=\"b;sid=" + token + ";;", ""},
		{"Cookie: a=b\r\nCookie:c=d;sid = " + token, ""},
		{cookie + token + "; sid=\"" + token + "\"\r\n" + cookie + token, ""},
		{"Cookie: sid; Sid=x; sid2=y; =z; xsid=" + other + "; SID=" + other + "; sid=" + token, ""},

		{"X-None: 1", saidMissing},
		{"Cookie:", saidMissing},
		{"Cookie: SID=" + token, saidMissing},
		{"Cookie: sid", saidMissing},
		{"Cookie2: sid=" + token, saidMissing},
		{"X_Session_Token: " + token, saidMissing},
		{"X-Session-Token-2: " + token, saidMissing},
		{"Set-Cookie: sid=" + token, saidMissing},
		{"Authorization: Bearer " + token, saidMissing},
		{"X-Session-Token:", saidHeader},
		{"X-Session-Token:\r\n" + cookie + token, saidHeader},
		{header + "-", saidHeader},
		{header + token[1:], saidHeader},
		{header + token + "A", saidHeader},
		{header + `"` + token + `"`, saidHeader},
		{header + token[1:] + "%", saidHeader},
		{header + token + ", " + token, saidHeader},
		{header + token[1:] + "\r\n" + cookie + token, saidHeader},
		{header + token + "\r\n" + header + token, saidTwoHeaders},
		{header + token + "\r\nx-session-token:", saidTwoHeaders},
		{cookie, saidCookie},
		{cookie + `""`, saidCookie},
		{cookie + `"`, saidCookie},
		{cookie + token[1:], saidCookie},
		{cookie + `"` + token, saidCookie},
		{cookie + token + "=", saidCookie},
		{cookie + token + "," + token, saidCookie},
		{cookie + "; sid=", saidCookie},
		{cookie + token + "; sid=" + other, saidTwoCookies},
		{cookie + "; sid=" + token, saidTwoCookies},
		{cookie + token + "; sid=", saidTwoCookies},
		{cookie + token + "\r\n" + cookie + other, saidTwoCookies},
	} {
		for _, path := range []string{"/app/get/-", "/app/get/%2D", "/app/Get/-/", "/app/get/-?_=1"} {
			a := w.do("GET", path, "", c.head)
			if c.message != "" {
				w.expectError(a, 401, "noToken", c.message)
			} else if a.status != 200 || !strings.Contains(a.body, `"id":"id"`) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if t.Failed() {
				t.Fatalf("by %s with %q", path, c.head)
			}
		}
	}
	w.api.headTokens = newHeadTokens("__Host-shop")
	w.expectError(w.do("GET", "/app/get/-", "", cookie+token), 401, "noToken",
		"There is no session token in the request, neither in the header X-Session-Token nor in the cookie __Host-shop")
	w.expect(w.do("DELETE", "/app/kill/-", "", "Cookie: sid=x; __Host-shop="+token), 200, `{"kill":1}`)
}

// TestNoTokenDoesNothing has requests without a token change nothing, and count neither
// as a try with a key nor as a miss.
func TestNoTokenDoesNothing(t *testing.T) {
	w := serveKeyed(t)
	key := with(keyAll)
	a := w.do("PUT", "/shop/create/id?ip=::1", "", key)
	token := a.body[len(`{"token":"`):][:store.TokenLen]
	for _, head := range []string{"X-None: 1", "X-Session-Token:", "Cookie: sid=" + token + "; sid=x", "X-Session-Token: " + token[1:] + "\r\nCookie: sid=" + token} {
		for range sources.AttemptBurst {
			for _, r := range [][2]string{{"POST", "/shop/rotate/-"}, {"DELETE", "/shop/kill/-"}, {"DELETE", "/shop/killsoid/id?except=-"}, {"GET", "/shop/get/-"}} {
				w.expectError(w.do(r[0], r[1], "", head, key), 401, "noToken", "")
			}
		}
		w.expectError(w.do("POST", "/shop/set/-", `{"a":1}`, head, key, "Content-Type: application/json"), 401, "noToken", "")
	}
	w.expect(w.do("GET", "/shop/get/-", "", key, "X-Session-Token: "+token), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
	metrics := w.do("GET", "/metrics", "").body
	for _, want := range []string{"rest_sessions_misses_total 0", `rest_sessions_errors_total{name="noToken"} 164`, `status="401"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	// A key is asked for first, and what else is wrong in the path and the query.
	w.expectError(w.do("GET", "/shop/get/-", "", "X-Session-Token: "+token), 401, "unauthorized", "")
	w.expectError(w.do("GET", "/sh/get/-", "", key), 400, "invalidFormat", "Invalid app format")
	w.expectError(w.do("GET", "/shop/get/-?token="+token, "", key), 400, "unknownParameter", "")
}

// FuzzCookie holds the reading of a Cookie header against net/http's: both take the same
// token, or ours takes none.
func FuzzCookie(f *testing.F) {
	for _, list := range []string{"sid=" + aToken, "a=b; sid=" + aToken + ";c", "sid=\"" + aToken + "\"", "sid=x; sid=" + aToken, "sid", "sid = " + aToken,
		"=sid=" + aToken, "sid==" + aToken, "sid=\"\"" + aToken, ";;sid=" + aToken + "\t;", "a=\"; sid=" + aToken + "\""} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		var ours cookieValue
		ours.read([]byte(list), "sid")
		taken := ours.found && !ours.differs && store.ValidToken(string(ours.text))
		request := http.Request{Header: http.Header{"Cookie": {list}}}
		for _, theirs := range request.CookiesNamed("sid") {
			if taken && strings.TrimSpace(theirs.Value) != string(ours.text) {
				t.Errorf("%q: %q, where net/http has %q", list, ours.text, theirs.Value)
			}
			if store.ValidToken(theirs.Value) && !ours.found {
				t.Errorf("%q: nothing, where net/http has %q", list, theirs.Value)
			}
		}
	})
}

func TestValidCookieName(t *testing.T) {
	for _, name := range []string{"sid", "__Host-sid", "connect.sid", "a", "PHPSESSID", "!#$%&'*+-.^_`|~"} {
		if !ValidCookieName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{"", "a b", "a=b", "a;", "a,b", "\"a\"", "sid\r\n", "\x7f", "ü", "a:b", "[a]", "{a}", "a/b", `a\b`, "a@b", "a?", "(a)", "<a>", "\t"} {
		if ValidCookieName(name) {
			t.Errorf("%q is taken", name)
		}
	}
}

package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"rest-sessions/store"
)

// TestAuth asks in every form that a proxy may use, by the short way and by the
// router's.
func TestAuth(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "user", "ip=::1", `{"a":[1, 2],"b":"x"}`)
	head := "X-Session-Token: " + token
	handle := ""
	r := 1
	for _, c := range []struct{ method, path, body, headers string }{
		{"GET", "/shop/auth", "", head},
		{"GET", "/shop/auth", "", "Cookie: lang=en; sid=" + token},
		{"GET", "/shop/auth?", "", head},
		{"GET", "/shop/auth?_=1", "", head},
		{"GET", "/shop/auth/", "", head},
		{"GET", "/shop/auth/page", "", head},
		{"GET", "/shop/auth/shop/get/" + token + "?data=a&x=%zz&x", "", head}, // Envoy
		{"GET", "/shop/auth//%zz/../%00/ä?", "", head},
		{"GET", "/shop/auth/killall", "", head},
		{"DELETE", "/shop/auth/kill/" + token, "", head},
		{"GET", "/shop/auth?page=2", "", head + "\r\nX-Forwarded-Uri: /list?page=2"}, // Caddy
		{"GET", "/%73hop/auth", "", head},
		{"GET", "/%73hop/auth/page", "", head},
		{"GET", "/%73hop/auth/", "", head},
		{"GET", "/shop/Auth", "", head},
		{"GET", "/shop/AUTH/Page/", "", head},
		{"BREW", "/%73hop/auth", "", head},
		{"OPTIONS", "/%73hop/auth/page", "", head},
		{"HEAD", "/shop/auth", "", head},
		{"HEAD", "/%73hop/auth", "", head},
		{"POST", "/shop/auth", "not JSON", head + "\r\nContent-Type: text/plain\r\nContent-Encoding: br"},
		{"POST", "/shop/auth", `{"a":5}`, head + "\r\nContent-Type: application/json"},
		{"PUT", "/shop/auth", "", head}, {"DELETE", "/shop/auth", "", head}, {"PATCH", "/shop/auth", "x", head},
		{"OPTIONS", "/shop/auth", "", head}, {"PROPFIND", "/shop/auth/a", "", head}, {"BREW", "/shop/auth", "", head},
		{"TRACE", "/shop/auth", "", head}, {"get", "/shop/auth", "", head},
	} {
		a := w.do(c.method, c.path, c.body, c.headers)
		want := fmt.Sprintf(`{"id":"user","r":%d,"w":1,"ttl":7200,"idle":0,"ip":"::1","d":{"a":[1,2],"b":"x"}}`, r)
		if c.method == "HEAD" {
			want = ""
		}
		r++
		w.expect(a, 200, want)
		if handle == "" {
			handle = a.header.Get(headerHandle)
		}
		if got := a.header.Get(headerHandle); !store.ValidHandle(got) || got != handle {
			t.Errorf("the handle is %q, before %q", got, handle)
		}
		if id, data := a.header.Get(headerID), a.header.Get(headerData); id != "user" || data != `{"a":[1,2],"b":"x"}` {
			t.Errorf("%s is %q, %s is %q", headerID, id, headerData, data)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
		if t.Failed() {
			t.Fatalf("by %s %s with %q", c.method, c.path, c.headers)
		}
	}
	for _, path := range []string{"/shop/auths", "/shop/aut", "/shop", "/shop/auth%2Fx", "/auth", "/a/shop/auth"} {
		w.expectError(w.do("GET", path, "", head), 404, "notFound", "")
	}
	for _, path := range []string{"//auth", "/sh/auth", "/sh/auth/x", "/sh%2Fop/auth", "/sh%zz/auth"} {
		w.expectError(w.do("GET", path, "", head), 400, "invalidFormat", "Invalid app format")
	}
	// A proxy sends no body along, but one that does must not send ever so much.
	w.expectError(w.do("POST", "/shop/auth", strings.Repeat("x", maxBodySize+1), head), 413, "bodyTooLarge", "")
}

// TestAuthNoSession sends what is no session: 401 and never 200.
func TestAuthNoSession(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "user", "ip=::1", "")
	killed := w.create("shop", "user", "ip=::1", "")
	w.expect(w.do("DELETE", "/shop/kill/"+killed, ""), 200, `{"kill":1}`)
	rotated := w.create("shop", "user", "ip=::1", "")
	w.rotate("/shop/rotate/" + rotated + "?grace=0")
	const header, cookie = "X-Session-Token: ", "Cookie: sid="
	const dead = "No session has the token in the request"
	for _, c := range []struct{ head, message string }{
		{header + killed, dead},
		{cookie + killed, dead},
		{header + rotated, dead},
		{header + store.NewToken("nobody"), dead},
		{header + killed + "\r\n" + cookie + token, dead},
		{"X-None: 1", "There is no session token in the request, neither in the header X-Session-Token nor in the cookie sid"},
		{"Cookie: SID=" + token, "There is no session token in the request, neither in the header X-Session-Token nor in the cookie sid"},
		{header, "The header X-Session-Token holds no session token, which is 64 of A-Z a-z 0-9"},
		{header + "-", ""},
		{header + token[1:], ""},
		{header + token + "x", ""},
		{header + token + "," + token, ""},
		{header + token[1:] + "\r\n" + cookie + token, ""},
		{header + token + "\r\n" + header + token, "The header X-Session-Token is in the request more than once"},
		{cookie + "x", "The cookie sid holds no session token, which is 64 of A-Z a-z 0-9"},
		{cookie, ""},
		{cookie + token + "; sid=" + killed, "The cookie sid is in the request twice with different values"},
	} {
		for _, path := range []string{"/shop/auth", "/shop/auth/page?data=x", "/%73hop/auth", "/shop/auth?data=a"} {
			a := w.do("GET", path, "", c.head)
			w.expectError(a, 401, "noSession", c.message)
			if a.header.Get(headerID)+a.header.Get(headerHandle)+a.header.Get(headerData) != "" {
				t.Errorf("headers of a session: %v", a.header)
			}
			if t.Failed() {
				t.Fatalf("by %s with %q", path, c.head)
			}
		}
	}
	w.expectError(w.do("GET", "/blog/auth", "", header+token), 401, "noSession", dead) // another app's
	if a := w.do("GET", "/shop/auth", "", header+token); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	metrics := w.do("GET", "/metrics", "").body
	for _, want := range []string{
		"\nrest_sessions_misses_total 21\n", // five tokens that could be, four paths, and the other app
		`rest_sessions_errors_total{name="noSession"} 69`,
		`rest_sessions_requests_total{route="/{app}/auth",status="401"} 69`,
		`rest_sessions_requests_total{route="/{app}/auth",status="200"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no line %s", want)
		}
	}
}

// TestAuthCountsAsGet has auth keep a session alive, and a token in its grace work.
func TestAuthCountsAsGet(t *testing.T) {
	w := serveEmbedded(t)
	old := w.create("shop", "user", "ip=::1", "")
	first := w.do("GET", "/shop/auth", "", "X-Session-Token: "+old).header.Get(headerHandle)
	if first != store.Handle(old) {
		t.Errorf("the handle is %s, not %s", first, store.Handle(old))
	}
	token := w.rotate("/shop/rotate/" + old)
	for _, name := range []string{old, token} {
		a := w.do("GET", "/shop/auth", "", "X-Session-Token: "+name)
		if got := a.header.Get(headerHandle); a.status != 200 || got != first {
			t.Errorf("%d, handle %s, not %s", a.status, got, first)
		}
	}
	w.expect(w.do("GET", "/shop/get/"+token, ""), 200, `{"id":"user","r":4,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
}

// TestAuthID checks how a header holds ids of any text.
func TestAuthID(t *testing.T) {
	w := serveEmbedded(t)
	for id, want := range map[string]string{
		"user":                      "user",
		"a@b.com":                   "a@b.com",
		"a b":                       "a%20b",
		" ":                         "%20",
		"100%":                      "100%25",
		"%41":                       "%2541",
		"a/b?c=d&e,f;\"g\"'h'":      "a/b?c=d&e,f;\"g\"'h'",
		"Jürgen":                    "J%C3%BCrgen",
		"日本":                        "%E6%97%A5%E6%9C%AC",
		"😀":                         "%F0%9F%98%80",
		"\x00\t\x1f\x7f":            "%00%09%1F%7F",
		"!#$()*+-.:<=>@[\\]^_`{|}~": "!#$()*+-.:<=>@[\\]^_`{|}~",
		strings.Repeat("é", 128):    strings.Repeat("%C3%A9", 128),
	} {
		token := w.create("shop", url.PathEscape(id), "ip=::1", "")
		a := w.do("GET", "/shop/auth", "", "X-Session-Token: "+token)
		got := a.header.Get(headerID)
		if got != want {
			t.Errorf("%q is %q, not %q", id, got, want)
		}
		if back, err := url.PathUnescape(got); err != nil || back != id {
			t.Errorf("%q comes back as %q: %v", id, back, err)
		}
	}
}

// TestAuthData checks the header with the data.
func TestAuthData(t *testing.T) {
	w := serveEmbedded(t)
	fill := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ data, query, want string }{
		{``, "", `{}`},
		{`{}`, "", `{}`},
		{`{"a": 1, "b": {"c": [true, null]}}`, "", `{"a":1,"b":{"c":[true,null]}}`},
		{`{"name":"Jürgen","☃":"日本"}`, "", `{"name":"J\u00fcrgen","\u2603":"\u65e5\u672c"}`},
		{`{"a":"😀\"\\"}`, "", `{"a":"\ud83d\ude00\"\\"}`},
		{"{\"a\":\"\x7f\u0080\u2028\uffff\"}", "", `{"a":"\u007f\u0080\u2028\uffff"}`},
		{`{"a":"` + fill(maxHeaderData-8) + `"}`, "", `{"a":"` + fill(maxHeaderData-8) + `"}`},
		{`{"a":"` + fill(maxHeaderData-7) + `"}`, "", ``},
		{`{"a":"é` + fill(maxHeaderData-8-6) + `"}`, "", `{"a":"\u00e9` + fill(maxHeaderData-8-6) + `"}`},
		{`{"a":"é` + fill(maxHeaderData-8-5) + `"}`, "", ``},
		{`{"a":1,"b":2,"c":3}`, "data=b", `{"b":2}`},
		{`{"a":1,"b":2,"c":3}`, "data=c,a", `{"a":1,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, "_=1&data=%62%2Cc", `{"b":2,"c":3}`},
		{`{"a":1}`, "data=A", `{}`},
		{`{"a":1}`, "data=\"a\"", `{}`},
		{`{"a":{"b":1}}`, "data=b", `{}`},
		{``, "data=b", `{}`},
		{`{"é":"é","e":1}`, "data=%C3%A9", `{"\u00e9":"\u00e9"}`},
		{`{"\u00e9":1,"\u0062":2}`, "data=%C3%A9,b", `{"\u00e9":1,"b":2}`},
		{`{"a b":1,"a\"b":2}`, "data=a+b,a%22b", `{"a b":1,"a\"b":2}`},
		{`{"big":"` + fill(50_000) + `","user":"x"}`, "data=user", `{"user":"x"}`},
		{`{"a":"` + fill(maxHeaderData-8) + `","b":1}`, "data=a", `{"a":"` + fill(maxHeaderData-8) + `"}`},
		{`{"a":"` + fill(maxHeaderData-7) + `","b":1}`, "data=a", ``},
		{`{"a":"` + fill(maxHeaderData-8) + `","b":1}`, "data=a,b", ``},
		{`{"b":1,"a":"` + fill(maxHeaderData) + `","c":1}`, "data=c,a,b", ``},
	} {
		token := w.create("shop", "user", "ip=::1", c.data)
		for _, path := range []string{"/shop/auth?", "/%73hop/auth?"} {
			a := w.do("GET", path+c.query, "", "X-Session-Token: "+token)
			got, there := a.header[headerData]
			if a.status != 200 || there != (c.want != "") || there && got[0] != c.want {
				t.Errorf("%.80s with %q: %d %.80q, not %.80q", c.data, c.query, a.status, got, c.want)
			}
		}
		w.expect(w.do("DELETE", "/shop/kill/"+token, ""), 200, `{"kill":1}`)
	}
}

// TestAuthQuery has a query that is wrong refused, and a visitor's not followed.
func TestAuthQuery(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "user", "ip=::1", `{"role":"guest","banned":true}`)
	head := "X-Session-Token: " + token
	for _, c := range []struct{ query, uri, name string }{
		{"data=", "", "invalidValue"},
		{"data", "", "invalidValue"},
		{"data=,role", "", "invalidValue"},
		{"data=role,", "", "invalidValue"},
		{"data=a,,b", "", "invalidValue"},
		{"data=a&data=b", "", "invalidValue"},
		{"data=%zz", "", "invalidValue"},
		{"date=role", "", "unknownParameter"},
		{"page=2", "", "unknownParameter"},
		{"page=2", "/list", "unknownParameter"},
		{"page=2", "/list?page=3", "unknownParameter"},
		{"data=role", "/list?data=role", "invalidValue"},
		{"page=2&data=role", "/list?page=2&data=role", "invalidValue"},
		{"data=a&data=b", "/list?data=a&data=b", "invalidValue"},
	} {
		for _, path := range []string{"/shop/auth?", "/%73hop/auth?"} {
			headers := []string{head}
			if c.uri != "" {
				headers = append(headers, "X-Forwarded-Uri: "+c.uri)
			}
			w.expectError(w.do("GET", path+c.query, "", headers...), 400, c.name, "")
			if t.Failed() {
				t.Fatalf("by %s with %s", c.query, c.uri)
			}
		}
	}
	whole := `{"role":"guest","banned":true}`
	for _, c := range []struct{ target, uri, want string }{
		{"/shop/auth", "/list?data=role", whole},
		{"/shop/auth?", "/list?data=role", whole},
		{"/shop/auth?page=2", "/list?page=2", whole},
		{"/shop/auth/list?data=role", "", whole},
		{"/shop/auth?data=banned", "/list?data=role", `{"banned":true}`},
	} {
		a := w.do("GET", c.target, "", head, "X-Forwarded-Uri: "+c.uri)
		if got := a.header.Get(headerData); a.status != 200 || got != c.want {
			t.Errorf("%s for %s: %d %s", c.target, c.uri, a.status, got)
		}
	}
}

// TestAuthAccess checks that 401 is a visitor without a session and nothing else: a
// proxy shows the login page for it.
func TestAuthAccess(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "user", "ip=::1", "")
	w.api.SetKeys(testKeys(t))
	head := "X-Session-Token: " + token
	for _, path := range []string{"/shop/auth", "/shop/auth/page", "/%73hop/auth"} {
		for _, key := range []string{keyAll, keyShop, keyReader, keyWeb, keyAuth} {
			if a := w.do("GET", path, "", head, with(key)); a.status != 200 {
				t.Errorf("%s with %.6s: %d %s", path, key, a.status, a.body)
			}
			w.expectError(w.do("GET", path, "", "X-None: 1", with(key)), 401, "noSession", "")
		}
		w.expectError(w.do("GET", path, "", head), 403, "forbidden", errAuthKey.message)
		w.expectError(w.do("GET", path, "", head, with(keyStranger)), 403, "forbidden", errAuthKey.message)
	}
	for _, path := range []string{"/news/auth", "/news/auth/page", "/%6Eews/auth"} {
		w.expectError(w.do("GET", path, "", head, with(keyAuth)), 403, "forbidden", "The API key is not for this app")
	}
}

// FuzzSplitAuth holds the short way of auth against the form of the route.
func FuzzSplitAuth(f *testing.F) {
	for _, uri := range []string{"", "/", "/app/auth", "/app/auth?a=/auth", "/app/auth/", "/app/auth/a/auth?b", "//auth", "/ap/auth", "/a%70p/auth", "/app/auths",
		"/app/authx/auth", "app/auth", "/auth/auth", "/auth", "/app/Auth", "?/app/auth", "/app//auth"} {
		f.Add([]byte(uri))
	}
	f.Fuzz(func(t *testing.T, uri []byte) {
		app, under, ok := splitAuth(uri)
		path, _, _ := strings.Cut(string(uri), "?")
		parts := strings.SplitN(path, "/", 4)
		want := len(parts) >= 3 && parts[0] == "" && store.ValidApp(parts[1]) && parts[2] == "auth"
		if ok != want || ok && (app != parts[1] || under != (len(parts) == 4)) {
			t.Errorf("%q: %q, %v, %v", uri, app, under, ok)
		}
	})
}

// FuzzHeaderData wants a header in printable ASCII that means what the data means, of
// all keys or of some.
func FuzzHeaderData(f *testing.F) {
	for _, data := range []string{"", `{}`, `{"a":1,"b":[{"a":"é😀"}],"é":"\"\\\u0000"}`, `{"":"","a":null}`} {
		f.Add(data, "")
		f.Add(data, "a,é")
	}
	f.Fuzz(func(t *testing.T, text, keys string) {
		var fields store.Data
		if text != "" {
			err := checkJSON([]byte(text), 0)
			if err == nil {
				fields, err = parseData([]byte(text))
			}
			if err != nil || !utf8.ValidString(keys) {
				return
			}
		}
		data, ok := fields.Merge("")
		if !ok {
			t.Fatalf("%q does not merge", text)
		}
		before := []byte("before")
		b, fits := appendHeaderData(before, data, keys)
		if !bytes.HasPrefix(b, before) {
			t.Fatalf("%q is not appended", b)
		}
		header := string(b[len(before):])
		if !fits {
			return
		}
		if len(header) > maxHeaderData {
			t.Errorf("a header of %d bytes", len(header))
		}
		for i := range len(header) {
			if header[i] < ' ' || header[i] >= 0x7f {
				t.Fatalf("%q is no value of a header", header)
			}
		}
		decode := func(text string) map[string]any {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var all map[string]any
			if err := decoder.Decode(&all); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			return all
		}
		got, want := decode(header), map[string]any{}
		if data != "" {
			want = decode(data)
		}
		if keys != "" {
			for key := range want {
				if !strings.Contains(","+keys+",", ","+key+",") || strings.Contains(key, ",") {
					delete(want, key)
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q of %q is %q", keys, data, header)
		}
	})
}

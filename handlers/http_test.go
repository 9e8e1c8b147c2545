package handlers

import (
	"strconv"
	"strings"
	"testing"
)

const aToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestPaths(t *testing.T) {
	w := serveEmbedded(t)
	for _, c := range []struct {
		method, path, name, message string
		status                      int
	}{
		{"POST", "/", "methodNotAllowed", "", 405},
		{"GET", "//", "notFound", "", 404},
		{"GET", "/PINGS", "notFound", "", 404},
		{"GET", "/app/get", "notFound", "", 404},
		{"GET", "/app/get/", "notFound", "", 404},
		{"GET", "//app/get/" + aToken, "notFound", "", 404},
		{"GET", "/app//get/" + aToken, "notFound", "", 404},
		{"GET", "/app/x/../get/" + aToken, "notFound", "", 404},
		{"GET", "/app%2Fget/" + aToken, "notFound", "", 404},
		{"PUT", "/app/create/?ip=::1", "notFound", "", 404},
		{"PUT", "/app/create/a/b?ip=::1", "notFound", "", 404},
		{"GET", "/ap/get/" + aToken, "invalidFormat", "Invalid app format", 400},
		{"GET", "/a%zzp/get/" + aToken, "invalidFormat", "Invalid app format", 400},
		{"GET", "/a%2Fpp/get/" + aToken, "invalidFormat", "Invalid app format", 400},
		{"GET", "/ap%C3%BC/get/" + aToken, "invalidFormat", "Invalid app format", 400},
		{"GET", "/" + strings.Repeat("a", 21) + "/killall", "methodNotAllowed", "", 405},
		{"DELETE", "/" + strings.Repeat("a", 21) + "/killall", "invalidFormat", "Invalid app format", 400},
		{"GET", "/app/get/" + aToken[1:] + "%", "invalidFormat", "Invalid token format", 400},
		{"GET", "/app/get/" + aToken[1:] + "%2", "invalidFormat", "Invalid token format", 400},
		{"GET", "/app/get/" + aToken[1:] + "-", "invalidFormat", "Invalid token format", 400},
		{"POST", "/app/set/" + aToken[1:], "invalidFormat", "Invalid token format", 400},
		{"POST", "/app/rotate/" + aToken[2:], "invalidFormat", "Invalid token format", 400},
		{"POST", "/a/rotate/" + aToken, "invalidFormat", "Invalid app format", 400},
		{"POST", "/app/rotate/", "notFound", "", 404},
		{"DELETE", "/app/kill/" + aToken + "A", "invalidFormat", "Invalid token format", 400},
		{"GET", "/app/soid/bad%ZZ", "invalidFormat", "Invalid id format", 400},
		{"GET", "/app/soid/%C3", "invalidFormat", "Invalid id format", 400},
		{"GET", "/app/soid/a%0Ab", "invalidFormat", "Invalid id format", 400},
		{"GET", "/app/soid/a%0Db", "invalidFormat", "Invalid id format", 400},
		{"GET", "/app/soid/a%E2%80%A8b", "invalidFormat", "Invalid id format", 400},
		{"GET", "/app/soid/" + strings.Repeat("a", 129), "invalidFormat", "Invalid id format", 400},
		{"DELETE", "/app/killsoid/" + strings.Repeat("%C3%BC", 129), "invalidFormat", "Invalid id format", 400},
		{"POST", "/ping", "methodNotAllowed", "", 405},
		{"OPTIONS", "/app/activity", "methodNotAllowed", "", 405},
		{"HEAD", "/app/get/" + aToken, "", "", 405},
		{"BREW", "/app/activity", "methodNotAllowed", "", 405},
	} {
		a := w.do(c.method, c.path, "")
		if c.method == "HEAD" {
			w.expect(a, c.status, "")
		} else {
			w.expectError(a, c.status, c.name, c.message)
		}
		if t.Failed() {
			t.Fatalf("by %s %s", c.method, c.path)
		}
	}
	// An escape that spells an unreserved character is that character.
	w.expect(w.do("GET", "/%61pp/get/%41"+aToken[1:], ""), 200, "{}")
}

func TestAllow(t *testing.T) {
	w := serveEmbedded(t)
	for path, want := range map[string]string{
		"/app/create/id": "PUT", "/app/get/" + aToken: "GET", "/app/set/" + aToken: "POST",
		"/app/rotate/" + aToken: "POST",
		"/app/activity":         "GET", "/app/soapp": "GET", "/app/soid/id": "GET",
		"/app/kill/" + aToken: "DELETE", "/app/killsoid/id": "DELETE", "/app/killall": "DELETE",
		"/": "GET, HEAD", "/openapi.json": "GET, HEAD", "/console": "GET, HEAD", "/console/main.js": "GET, HEAD", "/ping": "GET, HEAD", "/livez": "GET, HEAD", "/readyz": "GET, HEAD", "/healthz": "GET, HEAD",
	} {
		a := w.do("PATCH", path, "")
		w.expectError(a, 405, "methodNotAllowed", "")
		if got := a.header.Get("Allow"); got != want {
			t.Errorf("%s: Allow is %q, not %q", path, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	w := serveEmbedded(t)
	for path, id := range map[string]string{
		"a%2Fb":                       `a/b`,
		"..":                          `..`,
		".":                           `.`,
		"%252F":                       `%2F`,
		"%E2%9C%93":                   `✓`,
		"a:b:c":                       `a:b:c`,
		"p+q":                         `p+q`,
		"me@example.com":              `me@example.com`,
		"me%40example.com":            `me@example.com`,
		"%F0%9F%98%80":                `😀`,
		"%22%5C%00%1f%7f":             `\"\\\u0000\u001f` + "\x7f",
		"a%20b":                       `a b`,
		"%3F%23%26":                   `?#&`,
		"a;b=c,d!e'f(g)*":             `a;b=c,d!e'f(g)*`,
		strings.Repeat("%C3%BC", 128): strings.Repeat("ü", 128),
	} {
		token := w.create("ids", path, "ip=::1", "")
		session := `{"id":"` + id + `","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`
		w.expect(w.do("GET", "/ids/soid/"+path, ""), 200, `{"sessions":[`+session+`]}`)
		w.expect(w.do("GET", "/ids/get/"+token, ""), 200, session)
		w.expect(w.do("DELETE", "/ids/killsoid/"+path, ""), 200, `{"kill":1}`)
	}
}

func TestQuery(t *testing.T) {
	w := serveEmbedded(t)
	badTTL := "ttl must be a positive integer >= 10"
	badDT := "dt must be a positive integer >= 10"
	twice, broken := " is in the query more than once", " has a broken percent-escape; write a % itself as %25"
	for _, c := range []struct{ query, name, message string }{
		{"", "missingParameter", "No ip supplied"},
		{"ip", "missingParameter", "No ip supplied"},
		{"IP=::1", "unknownParameter", "There is no parameter IP; the nearest is ip"},
		{"ip=" + strings.Repeat("1", 46), "invalidFormat", "Invalid ip format"},
		{"ip=%zz", "invalidValue", "ip" + broken},
		{"ip=%0A", "invalidFormat", "Invalid ip format"},
		{"ip=%FF", "invalidFormat", "Invalid ip format"},
		{"ip=a&ip=b", "invalidValue", "ip" + twice},
		{"ip=::1&ttl=9", "invalidValue", badTTL},
		{"ip=::1&ttl=12abc", "invalidValue", badTTL},
		{"ip=::1&ttl=10.5", "invalidValue", badTTL},
		{"ip=::1&ttl=1e3", "invalidValue", badTTL},
		{"ip=::1&ttl=0x10", "invalidValue", badTTL},
		{"ip=::1&ttl=1_000", "invalidValue", badTTL},
		{"ip=::1&ttl=+100", "invalidValue", badTTL},
		{"ip=::1&ttl=%20100", "invalidValue", badTTL},
		{"ip=::1&ttl=-100", "invalidValue", badTTL},
		{"ip=::1&ttl=1000000000000000", "invalidValue", "ttl must have at most 15 digits"},
		{"ip=::1&ttl=99999999999999999999", "invalidValue", "ttl must have at most 15 digits"},
		{"ip=::1&ttl=100&ttl=200", "invalidValue", "ttl" + twice},
		{"ip=::1&no_resave=yes", "invalidValue", "no_resave must be true or false"},
		{"ip=::1&max_age=9", "invalidValue", "max_age must be a positive integer >= 10"},
		{"ip=::1&max_age=10s", "invalidValue", "max_age must be a positive integer >= 10"},
		{"ip=::1&max_age=1000000000000000", "invalidValue", "max_age must have at most 15 digits"},
		{"ip=::1&max_age=10&m%61x_age=10", "invalidValue", "max_age" + twice},
		{"ip=::1&max_sessions=0", "invalidValue", "max_sessions must be an integer from 1 to 100"},
		{"ip=::1&max_sessions=101", "invalidValue", "max_sessions must be an integer from 1 to 100"},
		{"ip=::1&max_sessions=-1", "invalidValue", "max_sessions must be an integer from 1 to 100"},
		{"ip=::1&max_sessions=1.0", "invalidValue", "max_sessions must be an integer from 1 to 100"},
		{"ip=::1&max_sessions=18446744073709551617", "invalidValue", "max_sessions must be an integer from 1 to 100"},
		{"ip=::1&max_sessions=%zz", "invalidValue", "max_sessions" + broken},
		{"ip=::1&no_resave&no_resave=", "invalidValue", "no_resave" + twice},
	} {
		w.expectError(w.do("PUT", "/app/create/id?"+c.query, ""), 400, c.name, c.message)
	}
	for _, query := range []string{"grace=-1", "grace=61", "grace=1s", "grace=0x1", "grace=18446744073709551616"} {
		w.expectError(w.do("POST", "/app/rotate/"+aToken+"?"+query, ""), 400, "invalidValue", "grace must be an integer from 0 to 60")
	}
	for _, query := range []string{"except", "except=", "except=x", "except=" + aToken[1:], "except=" + aToken + "A"} {
		w.expectError(w.do("DELETE", "/app/killsoid/id?"+query, ""), 400, "invalidFormat", "Invalid except format; it must be a token, 64 letters and digits, or - for the token in the head")
	}
	for _, query := range []string{"", "dt=", "dt=9", "dt=600s", "dt=-1"} {
		w.expectError(w.do("GET", "/app/activity?"+query, ""), 400, "invalidValue", badDT)
		w.expectError(w.do("GET", "/app/soapp?"+query, ""), 400, "invalidValue", badDT)
	}
	for _, c := range [][3]string{
		{"POST", "/app/rotate/" + aToken, "grace"}, {"DELETE", "/app/killsoid/id", "except"}, {"GET", "/app/activity", "dt"}, {"GET", "/app/soapp", "dt"},
		{"GET", "/app/soid/id", "limit"}, {"GET", "/app/soid/id", "cursor"},
	} {
		method, path, name := c[0], c[1]+"?"+c[2], c[2]
		w.expectError(w.do(method, path+"=1&"+name+"=1", ""), 400, "invalidValue", name+twice)
		w.expectError(w.do(method, path+"=%zz", ""), 400, "invalidValue", name+broken)
		w.expectError(w.do(method, path+"=1%2", ""), 400, "invalidValue", name+broken)
	}
	for query, want := range map[string]string{
		"ip=::1":                        `"ttl":7200,"idle":0,"ip":"::1"`,
		"ip=::1&ttl=":                   `"ttl":7200,"idle":0,"ip":"::1"`,
		"ttl=010&ip=1.2.3.4&_other=%zz": `"ttl":10,"idle":0,"ip":"1.2.3.4"`,
		"%69p=a%20b+c&ttl=%31%30":       `"ttl":10,"idle":0,"ip":"a b c"`,
		"ip=::1&no_resave=true&ttl=100": `"ttl":100,"idle":0,"ip":"::1","no_resave":true`,
		"ip=::1&no_resave=false":        `"ttl":7200,"idle":0,"ip":"::1"`,
		"ip=::1&max_age=&max_sessions=": `"ttl":7200,"idle":0,"ip":"::1"`,
		"ip=::1&max_age=10":             `"ttl":7200,"idle":0,"ip":"::1"`,
		"ip=::1&max_age=999999999999999&max_sessions=100&no_resave=1": `"ttl":7200,"idle":0,"ip":"::1","no_resave":true`,
		"ip=::1&ttl=999999999999999":                                  `"ttl":999999999999999,"idle":0,"ip":"::1"`,
		"ip=" + strings.Repeat("1", 45):                               `"ttl":7200,"idle":0,"ip":"` + strings.Repeat("1", 45) + `"`,
	} {
		token := w.create("app", "id", query, "")
		w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,`+want+`}`)
	}
}

// TestHeaders checks what every answer carries, and what none does.
func TestHeaders(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("app", "id", "ip=::1", "")
	for _, path := range []string{"/app/get/" + token, "/app/get/" + aToken, "/app/soid/id", "/app/get/x", "/nowhere", "/ping", "/livez", "/openapi.json"} {
		a := w.do("GET", path, "")
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
		for _, name := range []string{"Server", "Etag", "X-Powered-By"} {
			if got := a.header.Get(name); got != "" {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

func TestHead(t *testing.T) {
	w := serveEmbedded(t)
	for _, path := range []string{"/", "/openapi.json", "/ping", "/livez", "/readyz", "/healthz"} {
		length := strconv.Itoa(len(w.do("GET", path, "").body))
		a := w.do("HEAD", path, "")
		w.expect(a, 200, "")
		if got := a.header.Get("Content-Length"); got != length {
			t.Errorf("%s: Content-Length is %q, not %s", path, got, length)
		}
	}
}

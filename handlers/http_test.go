package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
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
		{"ip=::1&ttl=1000000000000000", "invalidValue", badTTL},
		{"ip=::1&ttl=99999999999999999999", "invalidValue", badTTL},
		{"ip=::1&ttl=100&ttl=200", "invalidValue", "ttl" + twice},
		{"ip=::1&no_resave=yes", "invalidValue", "no_resave must be true or false"},
		{"ip=::1&max_age=9", "invalidValue", "max_age must be a positive integer >= 10"},
		{"ip=::1&max_age=10s", "invalidValue", "max_age must be a positive integer >= 10"},
		{"ip=::1&max_age=1000000000000000", "invalidValue", "max_age must be a positive integer >= 10"},
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

func TestBodies(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("app", "id", "ip=::1", "")
	put, post := "/app/create/id?ip=::1", "/app/set/"+token
	const jsonType = "Content-Type: application/json"
	object := "d must be an object"
	for _, c := range []struct {
		body, header string
		status       int
		name         string
		message      string
	}{
		{"{bad", jsonType, 400, "invalidJSON", ""},
		{"{}x", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":01}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":NaN}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":1,}", jsonType, 400, "invalidJSON", ""},
		{"{'a':1}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":\"\n\"}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":\"\xff\"}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\xff\":1}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":1}\x00", jsonType, 400, "invalidJSON", ""},
		{"\xef\xbb\xbf\xef\xbb\xbf{}", jsonType, 400, "invalidJSON", ""},
		{"\xef\xbb\xbf", jsonType, 400, "invalidJSON", ""},
		{"  ", jsonType, 400, "invalidJSON", ""},
		{`{"a":"\ud83d"}`, jsonType, 400, "invalidJSON", ""},
		{`{"\ud83d\u0041":1}`, jsonType, 400, "invalidJSON", ""},
		{"null", jsonType, 400, "invalidValue", object},
		{"[1]", jsonType, 400, "invalidValue", object},
		{"\"str\"", jsonType, 400, "invalidValue", object},
		{"12", jsonType, 400, "invalidValue", object},
		{`{"ok":[],"\u0062\"":` + nested(33) + `,"c":{}}`, jsonType, 400, "invalidValue", `d.b" is nested more than 32 deep`},
		{`{"a":[{"b":` + nested(31) + `}]}`, jsonType, 400, "invalidValue", "d.a is nested more than 32 deep"},
		{`{"a":` + nested(20_000) + `}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":[1,]}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":[1}}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":{"b"}}`, jsonType, 400, "invalidJSON", ""},
		{strings.Repeat("[", 50_000), jsonType, 400, "invalidJSON", ""},
		{`{"a":1}`, "Content-Type: text/plain", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/x-www-form-urlencoded", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/jsonp", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/json; charset=utf-16", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "X-None: 1", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: br", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: gzip", 400, "invalidJSON", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: deflate", 400, "invalidJSON", ""},
		{squeezed(t, "gzip", `{"a":1}`)[:25], jsonType + "\r\nContent-Encoding: gzip", 400, "invalidJSON", ""},
		{squeezed(t, "gzip", `{"a":"`+strings.Repeat("x", 1<<24)+`"}`), jsonType + "\r\nContent-Encoding: gzip", 413, "bodyTooLarge", ""},
		{`{"a":"` + strings.Repeat("x", maxBodySize-7) + `"}`, jsonType, 413, "bodyTooLarge", ""},
	} {
		w.expectError(w.do("PUT", put, c.body, c.header), c.status, c.name, c.message)
		w.expectError(w.do("POST", post, c.body, c.header), c.status, c.name, c.message)
		if t.Failed() {
			t.Fatalf("by %.80q, %s", c.body, c.header)
		}
	}
	for _, body := range []string{"", "{}", " {\t}\r\n"} {
		w.expectError(w.do("POST", post, body), 400, "invalidValue", "d must contain at least one key.")
	}
	// Whatever was refused has left no trace.
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
	w.expect(w.do("GET", "/app/activity?dt=10", ""), 200, `{"activity":1}`)

	for body, want := range map[string]string{
		"": "", "{}": "", `{"a":null}`: "",
		` { "a" : 1.0 , "b" : "x" } `:                                      `,"d":{"a":1.0,"b":"x"}`,
		`{"n":12345678901234567890,"e":1E+3,"m":-0}`:                       `,"d":{"n":12345678901234567890,"e":1E+3,"m":-0}`,
		`{"a":1,"b":2,"\u0061":3}`:                                         `,"d":{"a":3,"b":2}`,
		`{"a":{},"a":3}`:                                                   `,"d":{"a":3}`,
		`{"a":{},"b":[],"c":[{"d":null}]}`:                                 `,"d":{"a":{},"b":[],"c":[{"d":null}]}`,
		"{\"a\" :\n[ 1 ,\t{ \"b c\" : \" ] } \" , \"\\\" \":\r\n[ ] } ] }": `,"d":{"a":[1,{"b c":" ] } ","\" ":[]}]}`,
		`{"a":[1.0,1E+3,"\/",{"z":1,"a":2,"z":3}]}`:                        `,"d":{"a":[1.0,1E+3,"\/",{"z":1,"a":2,"z":3}]}`,
		`{"a":` + nested(32) + `}`:                                         `,"d":{"a":` + nested(32) + `}`,
		`{"a":[{"b":` + nested(30) + `}, ` + nested(31) + `]}`:             `,"d":{"a":[{"b":` + nested(30) + `},` + nested(31) + `]}`,
		`{"a":1,"b":2,"a":null}`:                                           `,"d":{"b":2}`,
		`{"\/\u00e9\ud83d\uDE00\u001F":"\u00e9\/\ud83d\ude00"}`:            `,"d":{"/é😀\u001f":"\u00e9\/\ud83d\ude00"}`,
		`{"":""}`: `,"d":{"":""}`,
		`{"a":"` + strings.Repeat("x", maxBodySize-8) + `"}`: `,"d":{"a":"` + strings.Repeat("x", maxBodySize-8) + `"}`,
	} {
		token := w.create("app", "id", "ip=::1", body)
		w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"`+want+`}`)
	}
	for _, header := range []string{
		"Content-Type: application/json;charset=UTF-8", "content-type: Application/JSON; charset=\"utf-8\"",
	} {
		w.do("PUT", put, `{"a":1}`, header)
		if a := w.do("PUT", put, `{"a":1}`, header); a.status != 200 {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
}

// nested is an array in an array, so deep.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

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

func TestHealth(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		w.expect(w.do("GET", path, ""), 200, "ok")
	}
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")

	faulty.FailAll(store.ErrUnavailable)
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	for _, path := range []string{"/ping", "/readyz", "/healthz"} {
		w.expectError(w.do("GET", path, ""), 503, "storeUnavailable", "")
	}
	faulty.FailAll(nil)
	w.api.Drain()
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")
	for _, path := range []string{"/readyz", "/healthz"} {
		w.expectError(w.do("GET", path, ""), 503, "draining", "")
	}
}

// TestDrainCloses wants Connection: close in every answer of a server that ends, in errors
// and in the answer to a request that came before.
func TestDrainCloses(t *testing.T) {
	store := &standing{still(), make(chan struct{}, 100), make(chan struct{})}
	w := serve(t, store)
	ask := func(r [3]string) {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(exchangeTimeout))
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r[0], r[1], len(r[2]), r[2])
		if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), "\r\nConnection: close\r\n") {
			t.Errorf("%s %s: %v, without Connection: close: %.300s", r[0], r[1], err, text)
		}
	}
	var before sync.WaitGroup
	before.Go(func() { ask([3]string{"GET", "/app/get/" + aToken}) })
	<-store.asked
	w.api.Drain()
	close(store.let)
	before.Wait()
	for _, r := range append(everyRoute(aToken), [3]string{"GET", "/none"}, [3]string{"PATCH", "/livez"}, [3]string{"GET", "/livez"},
		[3]string{"GET", "/readyz"}, [3]string{"GET", "/metrics"}, [3]string{"GET", "/openapi.json"}, [3]string{"PUT", "/app/create/id?ip=::1", "{"}) {
		if ask(r); t.Failed() {
			return
		}
	}
}

// everyRoute is a request for each route that asks the store.
func everyRoute(token string) [][3]string {
	return [][3]string{
		{"PUT", "/app/create/id?ip=::1"}, {"GET", "/app/get/" + token}, {"POST", "/app/set/" + token, `{"a":1}`},
		{"GET", "/app/get/" + token + "?with=handle"}, {"GET", "/app/get/" + token + "?touch=false"},
		{"POST", "/app/touch/" + token + "?ttl=60"}, {"POST", "/app/set/" + aToken + "?if_w=1", `{"a":1}`},
		{"GET", "/app/auth"}, // with the token in the head
		{"POST", "/app/rotate/" + token}, {"POST", "/app/rotate/" + token + "?id=user"},
		{"DELETE", "/app/killsoid/id?handle=" + store.Handle(token)},
		{"GET", "/app/activity?dt=60"}, {"GET", "/app/soapp?dt=60"}, {"GET", "/app/soid/id"},
		{"GET", "/app/soapp?dt=60&limit=1"}, {"GET", "/app/soid/id?limit=1"},
		{"DELETE", "/app/kill/" + token}, {"DELETE", "/app/killsoid/id"}, {"DELETE", "/app/killall"}, {"GET", "/ping"},
	}
}

// TestStoreErrors checks that an outage is never a missing session.
func TestStoreErrors(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	token := w.create("app", "id", "ip=::1", "")
	secret := "the inner detail"
	for _, c := range []struct {
		err    error
		status int
		name   string
	}{
		{fmt.Errorf("%w: %s", store.ErrUnavailable, secret), 503, "storeUnavailable"},
		// A connection that broke, which is no end of a list.
		{fmt.Errorf("%w: %s: %w", store.ErrUnavailable, secret, io.EOF), 503, "storeUnavailable"},
		{errors.New(secret), 500, "internalError"},
	} {
		faulty.FailAll(c.err)
		for _, r := range everyRoute(token) {
			a := w.doJSON(r[0], r[1], r[2], "X-Session-Token: "+token)
			w.expectError(a, c.status, c.name, "")
			if strings.Contains(a.body, secret) {
				t.Errorf("the client is told %s", a.body)
			}
		}
		faulty.FailAll(nil)
	}
	if !strings.Contains(w.log.String(), secret) {
		t.Error("the log does not have the detail of a fault")
	}
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
}

// TestPanic checks that a panic is a 500 and that the server lives on.
func TestPanic(t *testing.T) {
	w := serveEmbedded(t)
	whole := w.api.store
	w.api.store = nil
	w.expectError(w.do("GET", "/app/get/"+aToken, ""), 500, "internalError", "")
	w.api.store = whole
	w.expect(w.do("GET", "/app/get/"+aToken, ""), 200, "{}")
	if !strings.Contains(w.log.String(), "panic") {
		t.Error("the log does not have the panic")
	}
}

// TestStreamedList checks a list of many chunks, and that one that breaks off is
// not a shorter list.
func TestStreamedList(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	const n = 3000 // 160 KB, in chunks of 11
	for range n {
		w.create("app", "id", "ip=::1", "")
	}
	one := `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`
	want := `{"sessions":[` + strings.Repeat(one+",", n-1) + one + `]}`
	for _, path := range []string{"/app/soapp?dt=600", "/app/soid/id"} {
		w.expect(w.do("GET", path, ""), 200, want)
	}
	w.expect(w.do("GET", "/other/soapp?dt=600", ""), 200, `{"sessions":[]}`)

	for chunk, status := range map[int]int{1: 503, 2: 503, 3: 503, 12: 200} {
		faulty.FailNext("SessionsOfApp", chunk, store.ErrUnavailable)
		resp, err := http.Get("http://" + w.addr + "/app/soapp?dt=600")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || (err != nil) != (status == 200) {
			t.Errorf("chunk %d failed: status %d, reading the body: %v", chunk, resp.StatusCode, err)
		}
	}
}

// brokenList panics at its third chunk, when the status has gone out.
type brokenList struct{ chunk int }

func (p *brokenList) Next(context.Context) ([]store.Session, error) {
	if p.chunk++; p.chunk == 3 {
		panic("third chunk")
	}
	return []store.Session{{ID: "id", D: `{"a":"` + strings.Repeat("x", listBuffer/2) + `"}`}}, nil
}

type brokenLists struct{ store.Store }

func (brokenLists) SessionsOfID(context.Context, string, string) store.List { return &brokenList{} }

// TestPanicInList checks that a panic on the way of a list breaks that off and
// nothing else.
func TestPanicInList(t *testing.T) {
	w := serve(t, brokenLists{still()})
	resp, err := http.Get("http://" + w.addr + "/app/soid/id")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the list is whole: %s", body)
	}
	w.expect(w.do("GET", "/livez", ""), 200, "ok")
	if !strings.Contains(w.log.String(), "third chunk") {
		t.Error("the log does not have the panic")
	}
}

func TestMalformedRequests(t *testing.T) {
	w := serveEmbedded(t)
	head := "GET /ping HTTP/1.1\r\nHost: test\r\n"
	w.expectError(w.raw("GET", head+"X: "+strings.Repeat("x", 2*maxHeadSize)+"\r\n\r\n"), 431, "headersTooLarge", "")
	w.expectError(w.raw("GET", "GET /"+strings.Repeat("x", 2*maxHeadSize)+" HTTP/1.1\r\nHost: test\r\n\r\n"), 431, "headersTooLarge", "")
	w.expectError(w.raw("GET", "nonsense\r\n\r\n"), 400, "badRequest", "")
	w.expectError(w.raw("PUT", "PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n"), 400, "badRequest", "")
	big := fmt.Sprintf("PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", maxBodySize+1)
	w.expectError(w.raw("PUT", big), 413, "bodyTooLarge", "")
	w.expect(w.do("GET", "/ping", ""), 200, "PONG")
}

// TestTooManyConnections opens one more than are served.
func TestTooManyConnections(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	api.maxConnections = 2
	w := serveAPI(t, api)
	var conns []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		// An answer shows that the server has seen the connection.
		io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	w.expectError(w.do("GET", "/livez", ""), 503, "tooManyConnections", "")
	conns[0].Close()
	for deadline := time.Now().Add(exchangeTimeout); w.do("GET", "/livez", "").status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection still counts")
		}
	}
	if metrics := w.do("GET", "/metrics", "").body; strings.Contains(metrics, `rest_sessions_shed_total{reason="connections"} 0`) {
		t.Error("what was refused is not counted")
	}
}

// TestKeepAlive sends two requests at once on one connection.
func TestKeepAlive(t *testing.T) {
	w := serveEmbedded(t)
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /app/get/"+aToken+" HTTP/1.1\r\nHost: test\r\n\r\nGET /app/activity?dt=10 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got); strings.Count(text, "HTTP/1.1 200 OK") != 2 || !strings.Contains(text, "\r\n\r\n{}") || !strings.HasSuffix(text, `{"activity":0}`) {
		t.Errorf("answered %q", got)
	}
}

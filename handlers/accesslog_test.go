package handlers

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

const logToken = "abcdefGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901"

// logged returns the line that a request leaves in a log of a format.
func logged(t *testing.T, format, uri string, status int, edit func(*fasthttp.RequestCtx)) string {
	t.Helper()
	var out bytes.Buffer
	l := NewAccessLog(format, &out, true, nil)
	times := []time.Time{
		time.Date(2026, 11, 23, 23, 10, 8, 0, time.UTC),
		time.Date(2026, 11, 23, 23, 10, 8, 1_234_567, time.UTC),
	}
	l.now = func() time.Time {
		now := times[0]
		times = times[1:]
		return now
	}
	handler := l.Handler(func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(status)
		ctx.SetBodyString("{}")
	})
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI(uri)
	ctx.Request.Header.Set("Referer", "http://site/?t="+logToken)
	ctx.Request.Header.SetUserAgent("curl/8\x1b\"")
	if edit != nil {
		edit(&ctx)
	}
	handler(&ctx)
	l.Close()
	return out.String()
}

func TestLogFormats(t *testing.T) {
	uri := "/app/get/" + logToken + "?x=1"
	cut := "/app/get/abcdef...?x=1"
	for format, want := range map[string]string{
		"combined": `0.0.0.0 - - [23/Nov/2026:23:10:08 +0000] "GET ` + cut + ` HTTP/1.1" 200 2 "http://site/?t=abcdef..." "curl/8\x1b\x22"` + "\n",
		"common":   `0.0.0.0 - - [23/Nov/2026:23:10:08 +0000] "GET ` + cut + ` HTTP/1.1" 200 2` + "\n",
		"dev":      "\x1b[0mGET " + cut + " \x1b[32m200\x1b[0m 1.234 ms - 2\x1b[0m\n",
		"short":    "0.0.0.0 - GET " + cut + " HTTP/1.1 200 2 - 1.234 ms\n",
		"tiny":     "GET " + cut + " 200 2 - 1.234 ms\n",
		"json": `{"time":"2026-11-23T23:10:08.001Z","remote":"0.0.0.0","method":"GET","url":"` + cut +
			`","status":200,"bytes":2,"ms":1.234,"referrer":"http://site/?t=abcdef...","user_agent":"curl/8\u001b\""}` + "\n",
	} {
		got := logged(t, format, uri, 200, nil)
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", format, got, want)
		}
		if format == "json" && !json.Valid([]byte(got)) {
			t.Errorf("%q is no JSON", got)
		}
	}
	if n := len(LogFormats()); n != 6 {
		t.Errorf("%d formats, not the 6 of this test", n)
	}
}

func TestLogColours(t *testing.T) {
	for status, colour := range map[int]string{200: "32", 301: "36", 404: "33", 503: "31"} {
		if got := logged(t, "dev", "/", status, nil); !strings.Contains(got, "\x1b["+colour+"m") {
			t.Errorf("status %d: %q lacks colour %s", status, got, colour)
		}
	}
}

func TestLogLeavesOut(t *testing.T) {
	for _, path := range []string{"/ping", "/livez", "/readyz", "/healthz"} {
		if got := logged(t, "tiny", path, 200, nil); got != "" {
			t.Errorf("%s is logged: %q", path, got)
		}
	}
}

func TestTokensAreCut(t *testing.T) {
	for text, want := range map[string]string{
		"/app/get/" + logToken:                                                "/app/get/abcdef...",
		"/app/set/" + logToken[:63]:                                           "/app/set/abcdef...",
		"/app/kill/" + logToken + logToken:                                    "/app/kill/abcdef...",
		"/app/kill/abcdefg":                                                   "/app/kill/abcdef...",
		"/app/touch/abcd-" + logToken[4:]:                                     "/app/touch/abcd-e...",
		"/app/rotate/abcdefgh":                                                "/app/rotate/abcdef...",
		"/app/get/abcdef":                                                     "/app/get/abcdef",
		"/app/nonsense/" + logToken:                                           "/app/nonsense/abcdef...",
		"/app/nonsense/" + logToken[:40] + "%41" + logToken[41:]:              "/app/nonsense/abcdef...",
		"/app/soid/507f1f77bcf86cd799439011":                                  "/app/soid/507f1f77bcf86cd799439011",
		"/app/get/" + logToken + "%41":                                        "/app/get/abcdef...",
		"/app/get/abc%64" + logToken[4:]:                                      "/app/get/abc%64...", // served as a token
		"/app/get/abcd-" + logToken[4:]:                                       "/app/get/abcd-e...",
		"/app/get/abcdef?a=b":                                                 "/app/get/abcdef?a=b",
		"/app/create/id?ip=2001:0db8:85a3:0000:0000:8a2e:0370:7334&ttl=86400": "/app/create/id?ip=2001:0db8:85a3:0000:0000:8a2e:0370:7334&ttl=86400",
		"/app/create/id?ip=::1&key=" + keyAll:                                 "/app/create/id?ip=::1&key=all012...",
		"/app/killsoid/id?except=" + logToken:                                 "/app/killsoid/id?except=abcdef...",
		"":                                                                    "",
	} {
		if got := string(redact(nil, []byte(text))); got != want {
			t.Errorf("%q is cut to %q, not %q", text, got, want)
		}
	}
}

// blocked is a writer that takes nothing until it is opened.
type blocked struct {
	open    chan struct{}
	written bytes.Buffer
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.open
	return b.written.Write(p)
}

// TestLogIsBounded lets the log's reader hang: requests go on, and what was
// dropped is counted.
func TestLogIsBounded(t *testing.T) {
	out := &blocked{open: make(chan struct{})}
	l := NewAccessLog("tiny", out, false, nil)
	handler := l.Handler(func(*fasthttp.RequestCtx) {})
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI("/app/soid/" + strings.Repeat("x-", 500))
	const n = 5000 // of 1 KB each, where 1 MiB waits and 1 MiB is being written
	for range n {
		handler(&ctx)
	}
	dropped := int(l.Dropped())
	if dropped < n/2 {
		t.Errorf("%d of %d lines dropped", dropped, n)
	}
	close(out.open)
	l.Close()
	lines := strings.Split(strings.TrimSpace(out.written.String()), "\n")
	if last, want := lines[len(lines)-1], fmt.Sprintf("LOG /dropped?lines=%d 000 0 - 0.000 ms", dropped); last != want {
		t.Errorf("the last line is %.80q", last)
	}
	if len(lines)-1+dropped != n {
		t.Errorf("%d lines written and %d dropped, of %d", len(lines)-1, dropped, n)
	}
}

// TestLogAfterClose serves on when the log is closed, as a request does that a
// shutdown gave up waiting for.
func TestLogAfterClose(t *testing.T) {
	l := NewAccessLog("tiny", io.Discard, false, nil)
	l.Close()
	served := false
	var ctx fasthttp.RequestCtx
	l.Handler(func(*fasthttp.RequestCtx) { served = true })(&ctx)
	if !served {
		t.Error("not served")
	}
}

func TestIsLogFormat(t *testing.T) {
	for _, name := range LogFormats() {
		NewAccessLog(name, io.Discard, false, nil).Close()
		if !IsLogFormat(name) {
			t.Errorf("%s is none", name)
		}
	}
	if IsLogFormat("loud") || IsLogFormat("") {
		t.Error("anything is one")
	}
}

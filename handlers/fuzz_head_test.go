package handlers

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// FuzzHead holds what is taken for a request's head against net/http's reading: where
// it ends, and how long a body follows. A proxy in front must not read another one.
func FuzzHead(f *testing.F) {
	for _, h := range hostiles() {
		if h.text != "" && len(h.text) < 1000 {
			f.Add([]byte(h.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var ours fasthttp.RequestHeader
		// Room for all, so that what is left is in the buffer.
		reader := bufio.NewReaderSize(bytes.NewReader(text), len(text)+16)
		if ours.Read(reader) != nil || !validHead(&ours) {
			return
		}
		rest := reader.Buffered()
		// Both skip what comes before the request line, but not the same.
		text = bytes.TrimLeft(text, "\r\n")
		reader = bufio.NewReaderSize(bytes.NewReader(text), len(text)+16)
		theirs, err := http.ReadRequest(reader)
		if err != nil {
			// It knows fewer methods, targets and hosts, and no request ends there.
			for _, reason := range []string{"method", "URI", "URL", "Host", "header", "HTTP"} {
				if strings.Contains(err.Error(), reason) {
					return
				}
			}
			t.Fatalf("%q: %v", text, err)
		}
		if left := reader.Buffered(); left != rest {
			t.Errorf("%q: %d bytes after the head, where net/http has %d", text, rest, left)
		}
		length, chunked := int64(max(0, ours.ContentLength())), ours.ContentLength() == -1
		if chunked != (theirs.ContentLength == -1) || !chunked && length != theirs.ContentLength {
			t.Errorf("%q: a body of %d, where net/http says %d", text, ours.ContentLength(), theirs.ContentLength)
		}
		if string(ours.Method()) != theirs.Method || string(ours.RequestURI()) != theirs.RequestURI {
			t.Errorf("%q: %s %s, where net/http says %s %s", text, ours.Method(), ours.RequestURI(), theirs.Method, theirs.RequestURI)
		}
	})
}

// FuzzSplitGet holds the short way of a get against the form of the route.
func FuzzSplitGet(f *testing.F) {
	for _, uri := range []string{"", "/", "/app/get/" + aToken, "/app/get/" + aToken + "?a=/get/", "/a/get/" + aToken, "//get/" + aToken,
		"/app/get//get/" + aToken, "xapp/get/" + aToken, "/app/get/" + aToken[1:], "/a%70p/get/" + aToken, "/app/get/" + aToken + "/", "?" + aToken,
		"/app/get/-", "/app/get/-?a=/-", "/get/-", "/app/get/--", "/app/get/-/"} {
		f.Add([]byte(uri))
	}
	f.Fuzz(func(t *testing.T, uri []byte) {
		app, token, ok := splitGet(uri)
		path, _, _ := strings.Cut(string(uri), "?")
		parts := strings.Split(path, "/")
		want := len(parts) == 4 && parts[0] == "" && store.ValidApp(parts[1]) && parts[2] == "get" && (parts[3] == "-" || store.ValidToken(parts[3]))
		if ok != want || ok && (app != parts[1] || token != parts[3]) {
			t.Errorf("%q: %q, %q, %v", uri, app, token, ok)
		}
	})
}

// FuzzSplitWrite holds the short way of a write against the form of its route.
func FuzzSplitWrite(f *testing.F) {
	for _, uri := range []string{"", "/", "?", "/app", "/app/set", "/app/set/", "/app/set/" + aToken, "/app/set/" + aToken + "/", "/app/set/" + aToken + "?a=/b",
		"//set/" + aToken, "/app//" + aToken, "app/set/" + aToken, "xapp/set/" + aToken, "/app/create/a%20b", "/app/create/a/b", "/app/create/a?"} {
		f.Add([]byte(uri))
	}
	f.Fuzz(func(t *testing.T, uri []byte) {
		app, verb, segment := splitWrite(uri)
		path, _, _ := strings.Cut(string(uri), "?")
		parts := strings.Split(path, "/")
		if len(parts) == 4 && parts[0] == "" {
			if app != parts[1] || verb != parts[2] || segment != parts[3] {
				t.Errorf("%q: %q, %q, %q", uri, app, verb, segment)
			}
		} else if verb != "" && segment != "" && plainID(segment) {
			t.Errorf("%q is no route, but %q, %q, %q", uri, app, verb, segment)
		}
	})
}

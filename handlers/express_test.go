package handlers

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"
)

// squeezed is text in a Content-Encoding.
func squeezed(t *testing.T, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		return text
	}
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTakenAsExpress sends what the original takes: a slash at the end, verbs in any case,
// a byte order mark, encoded bodies, [] on create.
func TestTakenAsExpress(t *testing.T) {
	w := serveEmbedded(t)
	for _, path := range []string{"/ping/", "/PING", "/Ping/"} {
		w.expect(w.do("GET", path, ""), 200, "PONG")
	}
	w.expect(w.do("GET", "/app/Activity/?dt=60", ""), 200, `{"activity":0}`)
	w.expect(w.do("GET", "/app/GET/"+aToken+"/", ""), 200, "{}")
	w.expect(w.do("GET", "/app/get/"+aToken+"/", ""), 200, "{}")
	w.expect(w.do("DELETE", "/APP/KillSoid/A%2fB/", ""), 200, `{"kill":0}`)
	for _, path := range []string{"/ping//", "//", "/app/get/" + aToken + "//", "/app/soid/", "/app/nothing/", "/app/GETS/" + aToken} {
		w.expectError(w.do("GET", path, ""), 404, "notFound", "")
	}
	w.expectError(w.do("PATCH", "/app/SoApp/", ""), 405, "methodNotAllowed", "")

	const jsonType = "Content-Type: application/json"
	for _, c := range []struct{ encoding, body string }{
		{"identity", `{"a":1}`}, {"Identity", `{"a":1}`}, {"gzip", `{"a":1}`}, {"GZIP", `{"a":1}`}, {"deflate", `{"a":1}`},
		{"gzip", "\xef\xbb\xbf {\"a\":1}\n"}, {"", "\xef\xbb\xbf{\"a\":1}"},
	} {
		header := jsonType
		if c.encoding != "" {
			header += "\r\nContent-Encoding: " + c.encoding
		}
		body := squeezed(t, strings.ToLower(c.encoding), c.body)
		token := w.create("app", "user", "ip=::1", "")
		w.expect(w.do("POST", "/app/set/"+token, body, header), 200, `{"id":"user","r":1,"w":2,"ttl":7200,"idle":0,"ip":"::1","d":{"a":1}}`)
	}
	put := "/app/create/user?ip=::1"
	w.expectError(w.do("PUT", put, "[]", "Content-Type: text/plain"), 415, "unsupportedMediaType", "")
	w.expectError(w.do("PUT", put, "[]", jsonType+"\r\nContent-Encoding: gzip"), 400, "invalidJSON", "")
	w.expectError(w.do("PUT", put, "[[]]", jsonType), 400, "invalidValue", "d must be an object")
	if a := w.do("PUT", put, squeezed(t, "gzip", "\xef\xbb\xbf[]"), jsonType+"\r\nContent-Encoding: gzip"); a.status != 200 {
		t.Errorf("create of [] in gzip: %d %s", a.status, a.body)
	}
	for _, body := range []string{"[]", " [ \n] "} {
		a := w.do("PUT", put, body, jsonType)
		if a.status != 200 || !strings.HasPrefix(a.body, `{"token":"`) {
			t.Errorf("create of %q: %d %s", body, a.status, a.body)
		}
		w.expectError(w.do("POST", "/app/set/"+aToken, body, jsonType), 400, "invalidValue", "d must be an object")
	}
}

package handlers

import (
	"strings"
	"testing"
)

// TestMessages holds what a client reads that sent something wrong: what it is, and where.
func TestMessages(t *testing.T) {
	w := serveEmbedded(t)
	put := "/app/create/id?ip=::1"
	const json = "The body is not valid JSON in UTF-8: "
	for _, c := range []struct {
		method, path, body string
		status             int
		name, message      string
	}{
		// Paths and methods. What may be a token or a key is not shown.
		{"GET", "/app/gett/" + aToken, "", 404, "notFound", "GET /{app}/gett/… is not a route; the nearest is GET /{app}/get/{token}"},
		{"GET", "/app/Gett/" + aToken + "/?x=1", "", 404, "notFound", "GET /{app}/gett/… is not a route; the nearest is GET /{app}/get/{token}"},
		{"POST", "/app/create", "", 404, "notFound", "POST /{app}/create is not a route; the nearest is PUT /{app}/create/{id}"},
		{"PUT", "/app/create/a/b", "", 404, "notFound", "PUT /{app}/create/…/… is not a route; the nearest is PUT /{app}/create/{id}"},
		{"GET", "/get/" + aToken, "", 404, "notFound", "GET /get/… is not a route; the nearest is GET /{app}/get/{token}"},
		{"GET", "/" + aToken + "/get", "", 404, "notFound", "GET /{app}/get is not a route; the nearest is GET /{app}/get/{token}"},
		{"GET", "/app/" + aToken, "", 404, "notFound", "GET /{app}/… is not a route; /openapi.json lists all"},
		{"GET", "/" + aToken, "", 404, "notFound", "GET /… is not a route; /openapi.json lists all"},
		{"GET", "//", "", 404, "notFound", "GET // is not a route; /openapi.json lists all"},
		{"GET", "/readz", "", 404, "notFound", "GET /readz is not a route; the nearest is GET /readyz"},
		{"GET", "/openapijson", "", 404, "notFound", "GET /openapijson is not a route; the nearest is GET /openapi.json"},
		{"GET", "/consoles", "", 404, "notFound", "GET /consoles is not a route; the nearest is GET /console"},
		{"GET", "/console/nothing.js", "", 404, "notFound", "GET /{app}/… is not a route; /openapi.json lists all"},
		{"GET", "/nope", "", 404, "notFound", "GET /nope is not a route; /openapi.json lists all"},
		{"GET", "/app/nothing", "", 404, "notFound", "GET /{app}/nothing is not a route; /openapi.json lists all"},
		{"GET", "/robots.txt", "", 404, "notFound", "GET /… is not a route; /openapi.json lists all"},
		{"GET", "/app/gte/" + aToken, "", 404, "notFound", "GET /{app}/gte/… is not a route; the nearest is GET /{app}/get/{token}"},
		{"GET", "/killal", "", 404, "notFound", "GET /killal is not a route; the nearest is DELETE /{app}/killall"},
		{aToken, "/app/" + aToken, "", 404, "notFound", "this method /{app}/… is not a route; /openapi.json lists all"},
		{"PATCH", "/app/activity", "", 405, "methodNotAllowed", "The route does not accept PATCH, only GET"},
		{"DELETE", "/ping", "", 405, "methodNotAllowed", "The route does not accept DELETE, only GET, HEAD"},
		{aToken, "/app/get/" + aToken, "", 405, "methodNotAllowed", "The route does not accept this method, only GET"},
		// Parameters.
		{"PUT", put + "&ip=::1", "", 400, "invalidValue", "ip is in the query more than once"},
		{"GET", "/app/soid/id?offset=1", "", 400, "unknownParameter", "There is no parameter offset; the route has limit, cursor, with"},
		{"DELETE", "/app/killsoid/id?handle=x", "", 400, "invalidFormat", "Invalid handle format; it must be 22 letters and digits, as with=handle gives them"},
		{"DELETE", "/app/killsoid/id?except=x", "", 400, "invalidFormat", "Invalid except format; it must be a token, 64 letters and digits, or - for the token in the head"},
		{"PUT", put + "&ttl=10%", "", 400, "invalidValue", "ttl has a broken percent-escape; write a % itself as %25"},
		// Bodies.
		{"PUT", put, `{"name":"Peter",}`, 400, "invalidJSON", json + `at byte 17, unexpected '}' looking for beginning of object key string`},
		{"PUT", put, `{é:1}`, 400, "invalidJSON", json + `at byte 2, unexpected 'é' looking for beginning of object key string`},
		{"PUT", put, `{"a":1}x`, 400, "invalidJSON", json + `at byte 8, unexpected 'x' after top-level value`},
		{"PUT", put, `{"a":tru }`, 400, "invalidJSON", json + `at byte 9, unexpected ' ' in literal true (expecting 'e')`},
		{"PUT", put, "\xef\xbb\xbf{'a':1}", 400, "invalidJSON", json + `at byte 5, unexpected '\'' looking for beginning of object key string`},
		{"PUT", put, `{"a":`, 400, "invalidJSON", json + "it ends too early, after byte 5"},
		{"PUT", put, "  ", 400, "invalidJSON", json + "it ends too early, after byte 2"},
		{"PUT", put, "{\"a\":\"\xff\"}", 400, "invalidJSON", json + "at byte 7, a byte that is not UTF-8"},
		{"PUT", put, "{\"a\" 1,\"b\":\"\xff\"}", 400, "invalidJSON", json + `at byte 6, unexpected '1' after object key`},
		{"PUT", put, `{"a":"\u0041\ud83d"}`, 400, "invalidJSON", json + `at byte 13, \ud83d is half of a surrogate pair without the other half`},
		{"PUT", put, `{"\uDE00\ud83d":1}`, 400, "invalidJSON", json + `at byte 3, \uDE00 is half of a surrogate pair without the other half`},
		{"PUT", put, `{"a\\":"\\ud83d","b":"\ud83d\ud83d\ude00"}`, 400, "invalidJSON", json + `at byte 23, \ud83d is half of a surrogate pair without the other half`},
	} {
		w.expectError(w.do(c.method, c.path, c.body), c.status, c.name, c.message)
		if t.Failed() {
			t.Fatalf("by %s %s %.60s", c.method, c.path, c.body)
		}
	}
}

// TestRoot reads what / says, which needs no key.
func TestRoot(t *testing.T) {
	a := serveKeyed(t).do("GET", "/", "")
	if a.status != 200 || a.header.Get("Content-Type") != contentTypeText || !strings.HasPrefix(a.body, "rest-sessions test keeps ") || !strings.Contains(a.body, "README.md") {
		t.Errorf("%d %s %q", a.status, a.header.Get("Content-Type"), a.body)
	}
}

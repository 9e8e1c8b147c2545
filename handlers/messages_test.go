package handlers

import (
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
		{"PUT", put, `{"a":"\u0041\ud83d"}`, 400, "invalidJSON", json + `at byte 13, \ud83d is half of a surrogate pair and the other half is missing`},
		{"PUT", put, `{"\uDE00\ud83d":1}`, 400, "invalidJSON", json + `at byte 3, \uDE00 is half of a surrogate pair and the other half is missing`},
		{"PUT", put, `{"a\\":"\\ud83d","b":"\ud83d\ud83d\ude00"}`, 400, "invalidJSON", json + `at byte 23, \ud83d is half of a surrogate pair and the other half is missing`},
	} {
		w.expectError(w.do(c.method, c.path, c.body), c.status, c.name, c.message)
		if t.Failed() {
			t.Fatalf("by %s %s %.60s", c.method, c.path, c.body)
		}
	}
}

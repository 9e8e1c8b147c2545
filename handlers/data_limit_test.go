package handlers

import (
	"strings"
	"testing"

	"rest-sessions/store/embedded"
)

// TestDataTooLarge fills a session to its limit and over it.
func TestDataTooLarge(t *testing.T) {
	w := serve(t, embedded.New(embedded.Options{Now: func() int64 { return 1_700_000_000 }, MaxData: 1024}))
	value := func(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }
	w.expectError(w.do("PUT", "/app/create/user?ip=::1", `{"a":`+value(1019)+`}`), 413, "dataTooLarge", "")
	token := w.create("app", "user", "ip=::1", `{"a":`+value(1018)+`}`)
	w.expectError(w.do("POST", "/app/set/"+token, `{"b":0}`), 413, "dataTooLarge", "The session's data would be larger than RS_MAX_DATA allows; set a key to null to remove it")
	w.expect(w.do("POST", "/app/set/"+token, `{"a":null,"b":0}`), 200, `{"id":"user","r":1,"w":2,"ttl":7200,"idle":0,"ip":"::1","d":{"b":0}}`)
}

package handlers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-json"

	"rest-sessions/store"
)

// text reads a text in an answer.
func (w *site) text(a answer, name string) string {
	w.tb.Helper()
	var reply map[string]any
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || a.status != 200 {
		w.tb.Fatalf("%d %s", a.status, a.body)
	}
	text, _ := reply[name].(string)
	return text
}

func TestWith(t *testing.T) {
	w, pass := serveMoving(t)
	a := w.do("PUT", "/app/create/id?ip=::1&ttl=100&no_resave=true&with=expires,handle,created", `{"a":1}`)
	token, handle := w.text(a, "token"), w.text(a, "handle")
	details := func(expires int) string {
		return fmt.Sprintf(`"handle":"%s","created":1700000000,"expires":%d`, handle, expires)
	}
	if handle != store.Handle(token) {
		t.Errorf("the handle is %s", handle)
	}
	w.expect(a, 200, `{"token":"`+token+`",`+details(1700000100)+`}`)
	pass(10)
	w.expect(w.do("GET", "/app/get/"+token+"?with=handle,created,expires", ""), 200,
		`{"id":"id","r":1,"w":1,"ttl":90,"idle":10,"ip":"::1","no_resave":true,`+details(1700000100)+`,"d":{"a":1}}`)
	w.expect(w.do("GET", "/app/get/"+token+"?with=", ""), 200,
		`{"id":"id","r":2,"w":1,"ttl":90,"idle":0,"ip":"::1","no_resave":true,"d":{"a":1}}`)
	w.expect(w.do("POST", "/app/set/"+token+"?with=handle", `{"a":2}`), 200,
		`{"id":"id","r":3,"w":2,"ttl":90,"idle":0,"ip":"::1","no_resave":true,"handle":"`+handle+`","d":{"a":2}}`)
	a = w.do("POST", "/app/rotate/"+token+"?with=handle,created,expires", "")
	w.expect(a, 200, `{"token":"`+w.text(a, "token")+`",`+details(1700000100)+`}`)
	session := `{"id":"id","r":3,"w":2,"ttl":90,"idle":0,"ip":"::1","no_resave":true,` + details(1700000100) + `,"d":{"a":2}}`
	for _, path := range []string{"/app/soid/id?", "/app/soapp?dt=60&", "/app/soid/id?limit=5&", "/app/soapp?dt=60&limit=5&"} {
		w.expect(w.do("GET", path+"with=handle,created,expires", ""), 200, `{"sessions":[`+session+`]}`)
	}
	w.expect(w.do("POST", "/app/touch/"+w.text(a, "token")+"?with=created", ""), 200,
		`{"id":"id","r":3,"w":2,"ttl":90,"idle":0,"ip":"::1","no_resave":true,"created":1700000000,"d":{"a":2}}`)
	for _, with := range []string{"Handle", "handle,", ",", "handle+created", "token"} {
		w.expect(w.do("GET", "/app/get/"+token+"?with="+with, ""), 400,
			`{"name":"invalidValue","message":"with must be a comma-separated list of handle, created and expires"}`)
	}
}

func TestKillHandle(t *testing.T) {
	w := serveEmbedded(t)
	kept, ended := w.create("app", "id", "ip=::1", ""), w.create("app", "id", "ip=::2", "")
	handle := store.Handle(ended)
	w.expect(w.do("DELETE", "/app/killsoid/other?handle="+handle, ""), 200, `{"kill":0}`)
	w.expect(w.do("DELETE", "/app/killsoid/id?handle="+handle, ""), 200, `{"kill":1}`)
	w.expect(w.do("DELETE", "/app/killsoid/id?handle="+handle, ""), 200, `{"kill":0}`)
	w.expect(w.do("GET", "/app/get/"+ended, ""), 200, `{}`)
	for _, query := range []string{"handle=", "handle", "handle=" + handle[1:], "handle=" + ended, "handle=zzzzzzzzzzzzzzzzzzzzzz"} {
		w.expect(w.do("DELETE", "/app/killsoid/id?"+query, ""), 400, `{"name":"invalidFormat","message":"Invalid handle format; it must be 22 letters and digits, as with=handle gives them"}`)
	}
	w.expect(w.do("DELETE", "/app/killsoid/id?except="+kept+"&handle="+handle, ""), 400,
		`{"name":"invalidValue","message":"handle and except cannot be given together: handle ends one session, except spares one"}`)
	w.expect(w.do("GET", "/app/get/"+kept, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
}

func TestTouch(t *testing.T) {
	w, pass := serveMoving(t)
	w.expect(w.do("POST", "/app/touch/"+aToken, ""), 200, `{}`)
	token := w.create("app", "id", "ip=::1&ttl=100", `{"a":1}`)
	pass(60)
	w.expect(w.do("POST", "/app/touch/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":100,"idle":60,"ip":"::1","d":{"a":1}}`)
	pass(60)
	w.expect(w.do("POST", "/app/touch/"+token+"?ttl=1000&max_age=500&with=expires", ""), 200,
		`{"id":"id","r":1,"w":1,"ttl":1000,"idle":60,"ip":"::1","expires":1700000620,"d":{"a":1}}`)
	pass(500)
	w.expect(w.do("GET", "/app/get/"+token+"?touch=false", ""), 200, `{"id":"id","r":1,"w":1,"ttl":1000,"idle":500,"ip":"::1","d":{"a":1}}`)
	pass(1)
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{}`)
	for query, message := range map[string]string{
		"ttl=9":     "ttl must be a positive integer >= 10",
		"max_age=":  "",
		"max_age=x": "max_age must be a positive integer >= 10",
	} {
		if a := w.do("POST", "/app/touch/"+token+"?"+query, ""); message == "" {
			w.expect(a, 200, `{}`)
		} else {
			w.expect(a, 400, `{"name":"invalidValue","message":"`+message+`"}`)
		}
	}
}

// TestGetWithoutTouch reads by both ways, with and without the router, and counts nothing.
func TestGetWithoutTouch(t *testing.T) {
	w, pass := serveMoving(t)
	token := w.create("app", "id", "ip=::1&ttl=100", "")
	pass(30)
	for range 2 {
		for _, path := range []string{"/app/get/" + token, "/app/get/%" + fmt.Sprintf("%02x", token[0]) + token[1:]} {
			for _, no := range []string{"false", "0"} {
				w.expect(w.do("GET", path+"?touch="+no, ""), 200, `{"id":"id","r":1,"w":1,"ttl":100,"idle":30,"ip":"::1"}`)
			}
		}
	}
	w.expect(w.do("GET", "/app/activity?dt=20", ""), 200, `{"activity":0}`)
	w.expect(w.do("GET", "/app/get/"+token+"?touch=no", ""), 400, `{"name":"invalidValue","message":"touch must be true or false"}`)
	w.expect(w.do("GET", "/app/get/"+token+"?touch=true", ""), 200, `{"id":"id","r":1,"w":1,"ttl":100,"idle":30,"ip":"::1"}`)
	w.expect(w.do("GET", "/app/activity?dt=20", ""), 200, `{"activity":1}`)
	w.expect(w.do("GET", "/app/get/"+aToken+"?touch=false", ""), 200, `{}`)
}

func TestSetIf(t *testing.T) {
	w, pass := serveMoving(t)
	token := w.create("app", "id", "ip=::1&ttl=100", `{"a":1}`)
	w.expect(w.do("POST", "/app/set/"+token+"?if_w=1", `{"a":2}`), 200, `{"id":"id","r":1,"w":2,"ttl":100,"idle":0,"ip":"::1","d":{"a":2}}`)
	pass(5)
	a := w.do("POST", "/app/set/"+token+"?if_w=1&with=expires", `{"a":3}`)
	w.expect(a, 409, `{"name":"conflict","message":"The session's w is not if_w: it has been changed",`+
		`"session":{"id":"id","r":1,"w":2,"ttl":100,"idle":5,"ip":"::1","expires":1700000100,"d":{"a":2}}}`)
	w.expect(w.do("POST", "/app/set/"+aToken+"?if_w=1", `{"a":3}`), 200, `{}`)
	w.expect(w.do("POST", "/app/set/"+token+"?if_w=0", `{"a":3}`), 400,
		`{"name":"invalidValue","message":"if_w must be an integer from 1 to 9223372036854775807"}`)
	w.expect(w.do("POST", "/app/set/"+token+"?if_w=2", `{}`), 400, `{"name":"invalidValue","message":"d must contain at least one key."}`)
}

func TestGuestToUser(t *testing.T) {
	w, pass := serveMoving(t)
	guest := w.create("app", "guest-1", "ip=::1", `{"cart":[1,2]}`)
	earlier := w.create("app", "user", "ip=::9", "")
	pass(5)
	a := w.do("POST", "/app/rotate/"+guest+"?id=us%2Fer&ip=::2&with=handle,created", "")
	token := w.text(a, "token")
	w.expect(a, 200, `{"token":"`+token+`","handle":"`+store.Handle(guest)+`","created":1700000000}`)
	w.expect(w.do("GET", "/app/get/"+guest, ""), 200, `{}`)
	w.expect(w.do("POST", "/app/rotate/"+guest+"?id=user", ""), 200, `{}`)
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"us/er","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::2","d":{"cart":[1,2]}}`)
	w.expect(w.do("GET", "/app/soid/guest-1", ""), 200, `{"sessions":[]}`)
	w.expect(w.do("GET", "/app/activity?dt=60", ""), 200, `{"activity":2}`)

	last := w.text(w.do("POST", "/app/rotate/"+token+"?id=user&max_sessions=1", ""), "token")
	w.expect(w.do("GET", "/app/get/"+earlier, ""), 200, `{}`)
	w.expect(w.do("GET", "/app/soid/user", ""), 200, `{"sessions":[{"id":"user","r":2,"w":1,"ttl":7200,"idle":0,"ip":"::2","d":{"cart":[1,2]}}]}`)

	for query, want := range map[string]string{
		"id=":                                   "invalidFormat",
		"id=a%0Ab":                              "invalidFormat",
		"id=user&grace=10":                      "invalidValue",
		"ip=::2":                                "missingParameter",
		"max_sessions=2":                        "missingParameter",
		"id=user&ip=" + strings.Repeat("1", 46): "invalidFormat",
		"id=user&max_sessions=0":                "invalidValue",
		"id=user&id=user":                       "invalidValue",
	} {
		if a := w.do("POST", "/app/rotate/"+last+"?"+query, ""); a.status != 400 || !strings.HasPrefix(a.body, `{"name":"`+want+`"`) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	w.expect(w.do("GET", "/app/get/"+last+"?touch=false", ""), 200, `{"id":"user","r":2,"w":1,"ttl":7200,"idle":0,"ip":"::2","d":{"cart":[1,2]}}`)
}

package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"rest-sessions/store"
)

// first picks the first session.
func first(int) int { return 0 }

const testToken = "abcdefghijABCDEFGHIJabcdefghijABCDEFGHIJabcdefghijABCDEFGHIJ0123"

// one is a model with one session of user7, as a server with nothing to hide
// keeps it.
func one(t *testing.T) *Model {
	t.Helper()
	m := New("app", true)
	right(t, m, m.Create("user7"), `{"token":"`+testToken+`"}`)
	return m
}

// answerOf is session 1 of user7 with these counters and versions.
func answerOf(r, w int, versions ...int) string {
	data := map[string]any{"n": 1}
	for key := range keys {
		version := 0
		if key < len(versions) {
			version = versions[key]
		}
		data[keyNames[key]] = value(1, key, version)
	}
	d, _ := json.Marshal(data)
	return fmt.Sprintf(`{"id":"user7","r":%d,"w":%d,"ttl":86400,"idle":0,"ip":"192.0.2.17","d":%s}`, r, w, d)
}

func right(t *testing.T, m *Model, r *Request, body string) {
	t.Helper()
	if err := m.Check(r, []byte(body)); err != nil {
		t.Errorf("held to be wrong: %v", err)
	}
}

func wrong(t *testing.T, m *Model, r *Request, body, reason string) {
	t.Helper()
	err := m.Check(r, []byte(body))
	if err == nil {
		t.Errorf("held to be right, want %q: %s", reason, body)
	} else if !strings.Contains(err.Error(), reason) {
		t.Errorf("%v, want %q", err, reason)
	}
}

func TestRightAnswers(t *testing.T) {
	m := one(t)
	right(t, m, m.Get(first), answerOf(1, 1))
	right(t, m, m.Get(first), answerOf(2, 1))
	right(t, m, m.Set(first), answerOf(3, 2, 0, 1))
	right(t, m, m.Get(first), answerOf(3, 2, 0, 1))
	right(t, m, m.List(first), `{"sessions":[`+answerOf(4, 2, 0, 1)+`]}`)
	right(t, m, m.Kill(first), `{"kill":1}`)
	right(t, m, m.GetDead(first), `{}`)
	right(t, m, m.SetDead(first), `{}`)
	if m.Get(first) != nil || m.Living() != 0 {
		t.Error("a killed session is still chosen")
	}
}

func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct{ body, reason string }{
		{`<html>hello</html>`, "not the JSON"},
		{``, "not the JSON"},
		{answerOf(1, 1) + "x", "more than one"},
		{`[]`, "not the JSON"},
		{`null`, "not a whole session"},
		{`{}`, "nobody killed"},
		{`{"id":"user7"}`, "not a whole session"},
		{strings.Replace(answerOf(1, 1), "user7", "user8", 1), "not of"},
		{strings.Replace(answerOf(1, 1), "86400", "7200", 1), "ttl"},
		{strings.Replace(answerOf(1, 1), "192.0.2.17", "::1", 1), "ip"},
		{strings.Replace(answerOf(1, 1), `"idle":0`, `"idle":-1`, 1), "idle"},
		{strings.Replace(answerOf(1, 1), `"n":1`, `"n":2`, 1), "the data of session 2"},
		{strings.Replace(answerOf(1, 1), `"n":1`, `"n":1,"x":1`, 1), "6 keys"},
		{strings.Replace(answerOf(1, 1), "größer", "gr??er", 1), "not a value that was sent"},
		{strings.Replace(answerOf(1, 1), `{"items":[`, `{"items":[null,`, 1), "cart is not a value that was sent"},
		{strings.Replace(answerOf(1, 1), `,null]}`, `]}`, 1), "cart is not a value that was sent"},
		{strings.Replace(answerOf(1, 1), `,null]}`, `,0]}`, 1), "cart is not a value that was sent"},
		{answerOf(0, 1), "reads were lost"},
		{answerOf(2, 1), "counted twice"},
		{answerOf(1, 0), "writes were lost"},
		{answerOf(1, 2), "counted twice"},
		{answerOf(1, 1, 4), "must be 0"},
	} {
		m := one(t)
		wrong(t, m, m.Get(first), c.body, c.reason)
	}
	late := one(t)
	late.CountsLate()
	wrong(t, late, late.Get(first), answerOf(2, 1), "counted twice")
	wrong(t, late, late.Get(first), answerOf(0, 1), "reads were lost")
	m := one(t)
	wrong(t, m, m.Create("user8"), `{"token":"`+testToken+`"}`, "another session has")
	wrong(t, m, m.Create("user8"), `{"token":"short"}`, "no token")
	wrong(t, m, m.Set(first), answerOf(1, 2), "must be 1")
	wrong(t, m, m.List(first), `{"sessions":[]}`, "is not listed")
	wrong(t, m, m.List(first), `{}`, "no list")
	wrong(t, m, m.List(first), `{"sessions":[`+answerOf(1, 1)+`,`+answerOf(1, 1)+`]}`, "listed twice")
	wrong(t, m, m.List(first), `{"sessions":[`+strings.Replace(answerOf(1, 1), `"n":1`, `"n":5`, 1)+`]}`, "is not one of")
	wrong(t, m, m.Kill(first), `{"kill":0}`, "must be 1")
}

func TestResurrection(t *testing.T) {
	m := one(t)
	during := m.Get(first)
	kill := m.Kill(first)
	after := m.Get(first)
	if after != nil {
		t.Fatal("a session is chosen while it is killed")
	}
	right(t, m, kill, `{"kill":1}`)
	// Sent before the kill was acknowledged: either is possible.
	right(t, m, during, answerOf(1, 1))
	wrong(t, m, m.GetDead(first), answerOf(2, 1), "acknowledged to be gone")
	wrong(t, m, m.SetDead(first), answerOf(2, 2, 0, 1), "acknowledged to be gone")
}

func TestOverlappingWrites(t *testing.T) {
	m := one(t)
	var sets []*Request
	for range 5 { // versions 1 to 5; 1 and 5 are of one key
		sets = append(sets, m.Set(first))
	}
	during := m.Get(first)
	right(t, m, sets[4], answerOf(1, 6, 4, 5, 2, 3))
	right(t, m, sets[0], answerOf(1, 4, 0, 1, 2, 3)) // from before
	// While both were in flight, any order was possible.
	right(t, m, during, answerOf(1, 3, 0, 1))
	right(t, m, m.Get(first), answerOf(2, 3, 0, 5))
	right(t, m, m.Get(first), answerOf(3, 3, 4, 1))
	wrong(t, m, m.Get(first), answerOf(4, 3, 0, 0), "must be 1 or 5")
	for _, i := range []int{1, 2, 3} {
		right(t, m, sets[i], answerOf(1, 6, 4, 1, 2, 3))
	}
	wrong(t, m, m.Get(first), answerOf(4, 6, 4, 1, 0, 3), "a write was lost")
	// One that came later and is acknowledged leaves neither.
	right(t, m, m.Set(first), answerOf(4, 7, 4, 5, 6, 3))
	wrong(t, m, m.Get(first), answerOf(4, 7, 4, 5, 2, 3), "must be 6")
	late := m.Get(first)
	m.Set(first) // 7, overtakes the read
	right(t, m, late, answerOf(4, 8, 4, 5, 6, 7))
	// Nobody knows whether a write without an answer landed.
	right(t, m, m.Get(first), answerOf(5, 7, 4, 5, 6, 3))
	right(t, m, m.Get(first), answerOf(6, 8, 4, 5, 6, 7))
}

func TestUnanswered(t *testing.T) {
	m := one(t)
	m.Create("user7")
	// A session of a create without an answer may be listed, or not.
	right(t, m, m.List(first), `{"sessions":[`+answerOf(1, 1)+`]}`)
	other := strings.NewReplacer(`"n":1`, `"n":2`, `\\ 1 `, `\\ 2 `).Replace(answerOf(1, 1))
	right(t, m, m.List(first), `{"sessions":[`+answerOf(1, 1)+`,`+other+`]}`)
	if least, most := m.Remaining(); least != 1 || most != 2 {
		t.Errorf("%d to %d remain, want 1 to 2", least, most)
	}
	// A read without an answer may have been counted.
	m.Get(first)
	right(t, m, m.Get(first), answerOf(1, 1))
	right(t, m, m.Get(first), answerOf(3, 1))
}

func TestReportsNameNoToken(t *testing.T) {
	m := one(t)
	err := m.Check(m.Create("user8"), []byte(`{"token":"`+testToken+`"}`))
	if err == nil || strings.Contains(err.Error(), testToken[:7]) {
		t.Errorf("%v", err)
	}
}

func TestUncheckedKeepsItsSessions(t *testing.T) {
	m := New("app", false)
	m.mu.Lock()
	m.insert(&session{serial: 1, user: "u"}, testToken)
	m.mu.Unlock()
	right(t, m, m.Get(first), "anything")
	right(t, m, m.Kill(first), "anything")
	right(t, m, m.Create("u"), "anything")
	if m.Living() != 1 {
		t.Errorf("%d sessions", m.Living())
	}
}

// TestEmptied loses the store while requests are in flight.
func TestEmptied(t *testing.T) {
	m := one(t)
	get, set, list := m.Get(first), m.Set(first), m.List(first)
	begun := m.Create("user7") // in flight
	m.Emptied()
	// They were answered before, or after.
	right(t, m, get, answerOf(1, 1))
	right(t, m, set, "{}")
	right(t, m, list, `{"sessions":[]}`)
	if m.Living() != 0 {
		t.Error("a session lives on")
	}
	for _, r := range []*Request{m.GetDead(first), m.SetDead(first)} {
		wrong(t, m, r, answerOf(2, 1), "acknowledged to be gone")
		right(t, m, r, "{}")
	}
	right(t, m, begun, `{"token":"`+strings.Repeat("b", tokenLen)+`"}`)
	if m.Living() != 0 {
		t.Error("a session that was begun in one store or the other must not be counted on")
	}
	next := m.Create("user7") // in the new store
	right(t, m, next, `{"token":"`+strings.Repeat("c", tokenLen)+`"}`)
	wrong(t, m, m.Get(first), "{}", "nobody killed")
	wrong(t, m, m.List(first), `{"sessions":[]}`, "not listed")
	wrong(t, m, m.Kill(first), `{"kill":0}`, "must be 1")

	m = one(t)
	kill := m.Kill(first)
	m.Emptied()
	right(t, m, kill, `{"kill":0}`)
}

func TestExtended(t *testing.T) {
	m := one(t)
	m.Extend()
	handle := store.Handle(testToken)
	handled := func(r int) string { return strings.Replace(answerOf(r, 1), `"d":`, `"handle":"`+handle+`","d":`, 1) }
	routes := map[string]int{}
	reads := 1
	for range 32 {
		r := m.Get(first)
		route, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/app/"), "/")
		if routes[route]++; strings.Contains(r.Path, "touch") {
			right(t, m, r, handled(reads))
			continue
		}
		right(t, m, r, answerOf(reads, 1))
		reads++
	}
	if routes["touch"] == 0 || routes["get"] == 32 {
		t.Errorf("the requests were %v", routes)
	}
	for {
		if r := m.Get(first); strings.Contains(r.Path, "touch") {
			wrong(t, m, r, strings.Replace(handled(reads), handle, handle[1:]+"0", 1), "handle")
			break
		}
		reads++ // it may have been carried out
	}
	for {
		if r := m.Get(first); strings.Contains(r.Path, "touch=false") {
			wrong(t, m, r, handled(100), "counted twice")
			break
		}
	}
	byHandle := 0
	for range 8 {
		r := m.Kill(first)
		if strings.HasSuffix(r.Path, "killsoid/user7?handle="+handle) {
			byHandle++
		}
		m.mu.Lock()
		r.view.session.killing = false
		m.insert(r.view.session, r.view.token)
		m.mu.Unlock()
	}
	if byHandle == 0 {
		t.Error("no kill by a handle")
	}
}

package model

import (
	"strings"
	"testing"
)

// TestEvicting takes it that a session is gone that nobody killed, and nothing else that
// would be wrong of a store that keeps all.
func TestEvicting(t *testing.T) {
	wrong(t, one(t), one(t).Get(first), "{}", "nobody killed")
	for _, gone := range []struct {
		request func(m *Model) *Request
		body    string
	}{
		{func(m *Model) *Request { return m.Get(first) }, "{}"},
		{func(m *Model) *Request { return m.Set(first) }, "{}"},
		{func(m *Model) *Request { return m.Kill(first) }, `{"kill":0}`},
	} {
		m := one(t)
		before := m.Get(first)
		m.Evicting()
		right(t, m, m.List(first), `{"sessions":[]}`)
		right(t, m, m.Get(first), answerOf(2, 1)) // only its entry was evicted
		wrong(t, m, m.Get(first), strings.Replace(answerOf(3, 1), `"w":1,`, "", 1), "not a whole session")
		wrong(t, m, m.Get(first), answerOf(1, 1), "reads were lost")
		wrong(t, m, m.List(first), `{"sessions":[`+strings.Replace(answerOf(1, 1), `,"ip":"192.0.2.17"`, "", 1)+`]}`, "not a whole session")
		list := m.List(first)
		r := gone.request(m)
		if m.GetDead(first) != nil {
			t.Fatal("a session is held to be gone too early")
		}
		right(t, m, r, gone.body)
		// Sent before it was known to be gone, so either is possible.
		right(t, m, before, answerOf(1, 1))
		right(t, m, list, `{"sessions":[`+answerOf(5, 1)+`]}`)
		if m.Living() != 0 || m.Get(first) != nil || m.Evicted() != 1 {
			t.Errorf("%v: %d live, %d were evicted", r.Kind, m.Living(), m.Evicted())
		}
		for _, again := range []*Request{m.GetDead(first), m.SetDead(first)} {
			wrong(t, m, again, answerOf(6, 1), "acknowledged to be gone")
			right(t, m, again, "{}")
		}
		if least, most := m.Remaining(); least != 0 || most != 0 {
			t.Errorf("%d to %d remain", least, most)
		}
	}
}

// TestRetained wants all that is left, and all of it in lists, once the store drops nothing more.
func TestRetained(t *testing.T) {
	m := one(t)
	other := strings.Repeat("b", tokenLen)
	right(t, m, m.Create("user8"), `{"token":"`+other+`"}`)
	m.Evicting()
	late := m.List(first)
	for _, r := range m.Audit() {
		body := "{}" // of user8
		if strings.HasSuffix(r.Path, testToken) {
			body = answerOf(1, 1)
		}
		right(t, m, r, body)
	}
	m.Retained()
	right(t, m, late, `{"sessions":[]}`) // answered before
	right(t, m, m.Get(first), answerOf(2, 1))
	lists := m.AuditLists()
	if len(lists) != 2 {
		t.Fatalf("%d lists", len(lists))
	}
	for _, r := range lists {
		if strings.HasSuffix(r.Path, "user7") {
			wrong(t, m, r, `{"sessions":[]}`, "not listed")
			right(t, m, r, `{"sessions":[`+answerOf(3, 1)+`]}`)
		} else {
			wrong(t, m, r, `{"sessions":[`+answerOf(1, 1)+`]}`, "is not one of")
			right(t, m, r, `{"sessions":[]}`)
		}
	}
	wrong(t, m, m.Get(first), "{}", "nobody killed")
	wrong(t, m, m.Kill(first), `{"kill":0}`, "must be 1")
}

// TestSeenGone: what a kill without an answer has ended, as a read shows, stays so, and the
// kill may be answered yet.
func TestSeenGone(t *testing.T) {
	m := one(t)
	kill, during := m.Kill(first), m.AuditLists()
	if m.GetDead(first) != nil {
		t.Fatal("a kill in flight is held to be done")
	}
	m.mu.Lock()
	get := m.get(m.tokens[testToken])
	m.mu.Unlock()
	right(t, m, get, "{}")
	right(t, m, during[0], `{"sessions":[`+answerOf(1, 1)+`]}`)
	wrong(t, m, m.GetDead(first), answerOf(1, 1), "acknowledged to be gone")
	wrong(t, m, kill, `{"kill":0}`, "must be 1")
	right(t, m, kill, `{"kill":1}`)
	if _, most := m.Remaining(); most != 0 || m.Evicted() != 0 {
		t.Errorf("up to %d remain, %d were evicted", most, m.Evicted())
	}
}

// A kill by a handle goes by an index, so what it does not find may still be there.
func TestHandleOfEvictedIndex(t *testing.T) {
	m := one(t)
	m.Extend()
	m.Evicting()
	r := m.Kill(first)
	for !r.handled {
		m.mu.Lock()
		r.view.session.killing = false
		m.insert(r.view.session, r.view.token)
		m.mu.Unlock()
		r = m.Kill(first)
	}
	read := func() *Request {
		m.mu.Lock()
		defer m.mu.Unlock()
		r := m.get(r.view.session)
		for r.handled {
			r = m.get(r.view.session)
		}
		return r
	}
	right(t, m, r, `{"kill":0}`)
	right(t, m, read(), answerOf(1, 1))
	right(t, m, read(), `{}`)
	wrong(t, m, read(), answerOf(2, 1), "acknowledged to be gone")
}

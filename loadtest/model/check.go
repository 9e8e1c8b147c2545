package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"rest-sessions/store"
)

// Wrong is an answer that cannot be true.
type Wrong struct {
	Kind   Kind
	Reason string
	Answer string // its start, without a whole token
}

func (w *Wrong) Error() string { return fmt.Sprintf("%s: %s: %s", w.Kind, w.Reason, w.Answer) }

// answer is a session as the server tells it. What is missing stays nil.
type answer struct {
	ID   *string         `json:"id"`
	R    *int            `json:"r"`
	W    *int            `json:"w"`
	TTL  *int            `json:"ttl"`
	Idle *int            `json:"idle"`
	IP   *string         `json:"ip"`
	D    json.RawMessage `json:"d"`

	Handle *string `json:"handle"`
}

// Check takes the body of r's answer, whose status said success. It returns a
// *Wrong if that cannot be true, else notes what it acknowledges. A request that
// got no answer, or a status of failure, is not checked: it may have been carried
// out, or may still be, and the model allows for both for ever.
func (m *Model) Check(r *Request, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.tick()
	if !m.checked {
		// Kills would use up sessions that nothing replaces.
		if r.Kind == Kill {
			r.view.session.killing = false
			m.insert(r.view.session, r.view.token)
		}
		return nil
	}
	reason := ""
	switch r.Kind {
	case Get:
		reason = m.checkGet(r, body)
	case Set:
		reason = m.checkSet(r, body, now)
	case Create:
		reason = m.checkCreate(r, body, now)
	case Kill:
		reason = m.checkKill(r, body)
	case List:
		reason = m.checkList(r, body)
	}
	if reason != "" {
		return &Wrong{Kind: r.Kind, Reason: reason, Answer: excerpt(body)}
	}
	return nil
}

func (m *Model) checkGet(r *Request, body []byte) string {
	a, none, reason := readSession(body)
	if reason != "" {
		return reason
	}
	if none {
		return m.absent(r.view)
	}
	if reason := r.view.check(a); reason != "" {
		return reason
	}
	if !r.handled {
		r.view.session.readsDone++
	} else if a.Handle == nil || *a.Handle != store.Handle(r.view.token) {
		return "not the session's handle"
	}
	return ""
}

func (m *Model) checkSet(r *Request, body []byte, now uint64) string {
	a, none, reason := readSession(body)
	if reason != "" {
		return reason
	}
	if none {
		return m.absent(r.view)
	}
	// It holds this write itself, and not one of the same key from before or after.
	key := r.version % keys
	v := *r.view
	v.values[key] = history{{version: r.version}}
	v.last = max(v.last, r.version)
	v.writesDone++
	if reason := v.check(a); reason != "" {
		return reason
	}
	s := r.view.session
	if versionOf(textIn(a, key)) != r.version {
		return fmt.Sprintf("the write of version %d is not in its own answer", r.version)
	}
	s.writesDone++
	s.values[key] = s.values[key].acknowledged(r.version, now)
	return ""
}

func (m *Model) checkCreate(r *Request, body []byte, now uint64) string {
	var a struct {
		Token *string `json:"token"`
	}
	if reason := decode(body, &a); reason != "" {
		return reason
	}
	if a.Token == nil || !isToken(*a.Token) {
		return "no token of 64 letters and digits"
	}
	if m.tokens[*a.Token] != nil {
		return "a token that another session has"
	}
	for key := range keys {
		r.made.values[key] = r.made.values[key].acknowledged(0, now)
	}
	m.insert(r.made, *a.Token)
	if r.made.lost {
		// In which store it is nobody knows, so it may be there or not from now on.
		m.withdraw(r.made)
		r.made.killing = true
	}
	return ""
}

func (m *Model) checkKill(r *Request, body []byte) string {
	var a struct {
		Kill *int `json:"kill"`
	}
	if reason := decode(body, &a); reason != "" {
		return reason
	}
	s := r.view.session
	none := a.Kill != nil && *a.Kill == 0 && (s.lost || m.evictable(r.view))
	if !none && (a.Kill == nil || *a.Kill != 1) {
		return "the session was there: kill must be 1"
	}
	if s.killed {
		return "" // a read has told already
	}
	switch {
	case none && r.handled && !s.lost:
		return "" // the index by which the handle is found was evicted, perhaps that alone
	case none:
		m.evicted++
	}
	m.bury(s)
	return ""
}

// absent takes {} as the answer about v: it is why that is wrong, "" if it is right. The
// session must not come back then.
func (m *Model) absent(v *view) string {
	s := v.session
	switch {
	case s.killed:
		return ""
	case s.killing: // perhaps by a kill that got no answer
	case m.evictable(v):
		m.withdraw(s)
		s.killing = true
		m.evicted++
	default:
		return "{} for a session that nobody killed"
	}
	m.bury(s)
	return ""
}

// readSession reads one session, or {}.
func readSession(body []byte) (a answer, none bool, reason string) {
	if string(bytes.TrimSpace(body)) == "{}" {
		return a, true, ""
	}
	return a, false, decode(body, &a)
}

// decode reads body whole: one JSON value and nothing behind it.
func decode(body []byte, into any) string {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return "not the JSON of this route"
	}
	if _, err := d.Token(); err != io.EOF {
		return "more than one JSON value"
	}
	return ""
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) == tokenLen
}

var tokens = regexp.MustCompile(`[A-Za-z0-9]{64}`)

// excerpt is the start of a body for a report. A whole token would let whoever
// reads it take over a session.
func excerpt(body []byte) string {
	const most = 300
	body = tokens.ReplaceAllFunc(body[:min(len(body), 10*most)], func(token []byte) []byte {
		return append(token[:6:6], "…"...)
	})
	if len(body) > most {
		return string(bytes.ToValidUTF8(body[:most], nil)) + "…"
	}
	return string(bytes.ToValidUTF8(body, []byte("\uFFFD")))
}

package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"rest-sessions/store"
)

// oldToken is what an old token stands for.
type oldToken struct {
	r     *record
	to    string // the token that the session got then
	until int64
}

// named returns the key of the session that has the token or, as an old one, still
// stands for it.
func (m *model) named(k key) key {
	a := m.aliases[k]
	if a == nil || m.sessions[k] != nil {
		return k
	}
	until := a.until
	if m.has("an old token answers a second too long") {
		until++
	}
	if m.has("an old token answers a second too short") {
		until--
	}
	if m.has("an old token answers forever") {
		until += 1_000_000
	}
	to := key{k.app, a.r.token}
	if m.has("an old token is lost when its session is rotated again") {
		to.name = a.to
	}
	if until < m.clock.Now() || m.sessions[to] != a.r && !m.has("an old token revives") || m.has("an old token never answers") {
		return k
	}
	if m.has("an old token revives") {
		m.sessions[to] = a.r
	}
	return to
}

func (m *model) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	if err := m.enter(ctx); err != nil {
		return "", store.Details{}, err
	}
	defer m.mu.Unlock()
	old := key{m.copied(app), m.copied(token)}
	k := m.named(old)
	r, _, err := m.alive(k)
	if err != nil {
		if r = m.sessions[k]; r == nil || !m.has("a rotation takes what is over") {
			return "", store.Details{}, err
		}
	}
	if m.has("rotations at once make two tokens") {
		m.yield()
	}
	if !m.has("a rotation is no activity") && (k == old || !m.has("a rotation by an old token is no activity")) {
		m.touch(k, r)
	}
	if k != old && !m.has("an old token makes a new one") {
		return k.name, m.details(r), nil
	}
	switch {
	case m.has("a rotation is a read"):
		r.R++
	case m.has("a rotation is a write"):
		r.W++
	case m.has("a rotation drops the data"):
		r.D = ""
	case m.has("a rotation drops the max age"):
		r.end = 0
	}
	if grace == 0 && m.has("no grace is the default") {
		grace = store.DefaultGrace
	}
	moved := key{k.app, m.copied(fresh)}
	if !m.has("a rotation leaves the old token") {
		delete(m.sessions, k)
	}
	if m.has("a rotation copies") {
		copied := *r
		r = &copied
	}
	r.token = moved.name
	if m.has("a rotation changes the handle") {
		r.first = r.token
	}
	if m.has("a rotation is a creation") {
		r.created = m.clock.Now()
	}
	m.sessions[moved] = r
	if grace > 0 {
		m.aliases[k] = &oldToken{r, r.token, m.clock.Now() + grace}
	}
	return fresh, m.details(r), nil
}

// limit ends the sessions of a user that are too many where one more is to come.
func (m *model) limit(user key, limit int) {
	found := m.ofUser(user.app, user.name)
	if m.has("a limit is the app's") {
		found = m.find(func(k key, _ *record) bool { return k.app == user.app })
	}
	found = slices.DeleteFunc(found, func(k key) bool {
		_, _, err := m.alive(k)
		if err != nil && m.has("a limit ends what is over") {
			m.remove(k)
		}
		return err != nil && !m.has("a limit counts what is over")
	})
	slices.SortFunc(found, func(a, b key) int {
		x, y := m.sessions[a], m.sessions[b]
		byToken := strings.Compare(a.name, b.name)
		switch {
		case m.has("a limit goes by creation"):
			return cmp.Or(cmp.Compare(x.created, y.created), byToken)
		case m.has("a limit ends the latest"):
			return cmp.Or(cmp.Compare(y.lastActivity, x.lastActivity), byToken)
		case m.has("a limit ends the higher tokens"):
			byToken = -byToken
		}
		return cmp.Or(cmp.Compare(x.lastActivity, y.lastActivity), byToken)
	})
	excess := len(found) + 1 - limit
	if m.has("a limit is one too high") {
		excess--
	}
	if m.has("a limit is one too low") {
		excess++
	}
	if m.has("a limit ends one at most") {
		excess = min(excess, 1)
	}
	if m.has("creates at once break the limit") {
		m.yield()
	}
	for _, k := range found[:max(0, min(excess, len(found)))] {
		if m.sessions[k] != nil {
			m.remove(k)
		}
	}
}

package storetest

import (
	"cmp"
	"context"

	"rest-sessions/store"
)

// details returns a session's details as it stands.
func (m *model) details(r *record) store.Details {
	d := store.Details{First: r.first, Created: r.created, Expires: r.lastActivity + r.TTL}
	switch {
	case m.has("the first token is the token of now"):
		d.First = r.token
	case m.has("creation is the last activity"):
		d.Created = r.lastActivity
	case m.has("the creation is not told"):
		d.Created = 0
	case m.has("a session expires from now"):
		d.Expires = m.clock.Now() + r.TTL
	case m.has("a session expires by its creation"):
		d.Expires = r.created + r.TTL
	case m.has("a session expires a second late"):
		d.Expires++
	}
	if r.end != 0 && !m.has("the expiry ignores the max age") {
		d.Expires = min(d.Expires, r.end)
	}
	return d
}

// inList returns a session as a list holds it.
func (m *model) inList(answer store.Session) store.Session {
	if m.has("a list has no details") {
		answer.Details = store.Details{}
	}
	return answer
}

func (m *model) Peek(ctx context.Context, app, token string) (store.Session, error) {
	if err := m.enter(ctx); err != nil {
		return store.Session{}, err
	}
	defer m.mu.Unlock()
	k := key{app, token}
	if !m.has("an old token does not peek") {
		k = m.named(k)
	}
	r, answer, err := m.alive(k)
	if err != nil {
		return store.Session{}, err
	}
	switch {
	case m.has("a peek is a read"):
		r.R++
	case m.has("a peek is activity"):
		m.touch(k, r)
	case m.has("a peek moves the user"):
		m.users[key{k.app, r.ID}] = max(m.users[key{k.app, r.ID}], m.clock.Now())
	case m.has("a peek spends the ttl") && r.NoResave:
		r.TTL -= answer.Idle
	case m.has("a peek is not idle"):
		answer.Idle = 0
	}
	return answer, nil
}

func (m *model) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	if err := m.enter(ctx); err != nil {
		return store.Session{}, err
	}
	defer m.mu.Unlock()
	k := key{m.copied(app), m.copied(token)}
	if !m.has("an old token does not touch") {
		k = m.named(k)
	}
	r, answer, err := m.alive(k)
	if err != nil {
		if r = m.sessions[k]; r == nil || !m.has("a touch revives what is over") {
			return store.Session{}, err
		}
		answer = r.Session
	}
	if !m.has("a touch is no activity") {
		m.touch(k, r)
	}
	switch {
	case m.has("a touch is a read"):
		r.R++
	case m.has("a touch is a write"):
		r.W++
	}
	switch {
	case ttl == 0 && !m.has("a touch without a ttl gives the default"):
	case m.has("a touch keeps the ttl"), m.has("a touch keeps the ttl without resave") && r.NoResave:
	case m.has("a touch only lengthens the ttl") && ttl < r.TTL:
	case m.has("a touch only shortens the ttl") && ttl > r.TTL:
	case m.has("a touch in the same second changes no ttl") && answer.Idle == 0:
	case ttl == 0:
		r.TTL = store.DefaultTTL
	default:
		r.TTL = ttl
		if m.has("a touch counts the ttl from the creation") {
			r.TTL -= r.lastActivity - r.created
		}
		if m.has("a touch with a ttl ends no resave") {
			r.NoResave = false
		}
	}
	switch {
	case maxAge == 0:
		if m.has("a touch without a max age takes it away") {
			r.end = 0
		}
	case m.has("a touch keeps the max age"):
	case m.has("a touch never puts the end off") && r.end != 0:
		r.end = min(r.end, m.clock.Now()+maxAge)
	case m.has("a touch gives no max age") && r.end == 0:
	case m.has("a touch counts the max age from the creation"):
		r.end = r.created + maxAge
	default:
		r.end = m.clock.Now() + maxAge
	}
	idle := answer.Idle
	answer = r.Session
	answer.Idle, answer.Details = idle, m.details(r)
	if m.has("a touch answers no idle time") {
		answer.Idle = 0
	}
	return answer, nil
}

func (m *model) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	return m.set(ctx, app, token, w, d)
}

func (m *model) conflicts(w int64, r *record) bool {
	switch {
	case m.has("a conditional set always sets"):
		return false
	case m.has("a conditional set never sets"):
		return true
	case m.has("a conditional set takes a later w"):
		return w < r.W
	case m.has("conditional sets at once all set"):
		conflict := w != r.W
		m.yield()
		return conflict
	}
	return w != r.W
}

func (m *model) conflict(k key, r *record, answer store.Session) (store.Session, error) {
	switch {
	case m.has("a conflict answers nothing"):
		return store.Session{}, store.ErrConflict
	case m.has("a conflict is no such session"):
		return answer, store.ErrNotFound
	case m.has("a conflict is a write"):
		r.W++
	case m.has("a conflict is a read"):
		r.R++
	case m.has("a conflict is activity"):
		m.touch(k, r)
	}
	return answer, store.ErrConflict
}

func (m *model) KillHandle(ctx context.Context, app, id, handle string) (bool, error) {
	if err := m.enter(ctx); err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	for _, k := range m.find(func(k key, r *record) bool {
		return k.app == app && (r.ID == id || m.has("a handle ends another user's"))
	}) {
		r := m.sessions[k]
		if _, _, err := m.alive(k); err != nil && !m.has("a handle ends what is over") {
			continue
		}
		if of := r.first; store.HasHandle(of, handle) || m.has("a handle is that of the token of now") && store.HasHandle(r.token, handle) ||
			m.has("a handle ends any of the user") {
			if m.has("a handle ends nothing") {
				return true, nil
			}
			m.remove(k)
			return !m.has("a handle finds none"), nil
		}
	}
	return m.has("a handle finds any"), nil
}

func (m *model) Move(ctx context.Context, app, token, fresh string, to store.Move) (store.Details, error) {
	if err := m.enter(ctx); err != nil {
		return store.Details{}, err
	}
	defer m.mu.Unlock()
	k := key{m.copied(app), m.copied(token)}
	if !m.has("an old token does not move") {
		k = m.named(k)
	}
	r, _, err := m.alive(k)
	if err != nil {
		if r = m.sessions[k]; r == nil || !m.has("a move takes what is over") {
			return store.Details{}, err
		}
	}
	if m.has("moves at once all move") {
		m.yield()
	}
	next := *r
	if m.has("sets are lost in a move") {
		m.yield()
	}
	next.ID, next.token = m.copied(to.ID), m.copied(fresh)
	if to.IP != "" && !m.has("a move keeps the ip") || m.has("a move without an ip takes it away") {
		next.IP = m.copied(to.IP)
	}
	m.depart(k, r)
	moved, user := key{k.app, next.token}, key{k.app, next.ID}
	if to.MaxSessions > 0 && !m.has("a move has no limit") {
		limit := to.MaxSessions
		if m.has("a move makes room for two") {
			limit--
		}
		m.limit(user, limit)
	}
	m.sessions[moved] = &next
	if m.has("a move leaves the old token") {
		m.aliases[k] = &oldToken{&next, next.token, m.clock.Now() + store.MaxGrace}
	}
	for _, a := range m.aliases {
		if a.r == r && m.has("a move leaves those of before in their grace") {
			a.r, a.to = &next, next.token
		}
	}
	was := m.users[user]
	if !m.has("a move is no activity") {
		m.touch(moved, &next)
	}
	m.users[user] = max(m.users[user], next.lastActivity)
	if m.has("a move is not the new user's activity") {
		m.users[user] = cmp.Or(was, next.created)
	}
	switch {
	case m.has("a move drops the data"):
		next.D = ""
	case m.has("a move drops the max age"):
		next.end = 0
	case m.has("a move is a read"):
		next.R++
	case m.has("a move is a write"):
		next.W++
	case m.has("a move starts the counters"):
		next.R, next.W = 1, 1
	case m.has("a move changes the handle"):
		next.first = next.token
	case m.has("a move is a creation"):
		next.created = m.clock.Now()
	case m.has("a move gives the default ttl"):
		next.TTL = store.DefaultTTL
	case m.has("a move ends no resave"):
		next.NoResave = false
	}
	return m.details(&next), nil
}

// depart takes a session from a user it moves away from.
func (m *model) depart(k key, r *record) {
	user := key{k.app, r.ID}
	was := m.users[user]
	if m.sessions[k] != nil && !m.has("a move leaves the old session") {
		m.remove(k)
	}
	switch {
	case m.has("a move takes the old user's activity"):
		delete(m.users, user)
	case m.has("a move leaves the old user"):
		m.users[user] = was
	case m.has("a move is the old user's activity") && m.users[user] != 0:
		m.users[user] = m.clock.Now()
	}
}

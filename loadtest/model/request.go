package model

import (
	"encoding/json"
	"net/http"
	"strconv"

	"rest-sessions/store"
)

// Request is one request and what was known when it was made. Its exported
// fields are what to send.
type Request struct {
	Kind   Kind
	Method string
	Path   string // with the query, escaped
	Body   []byte // JSON, or nil

	user    string
	view    *view   // of the session that it is about; nil for Create and List
	views   []*view // List: of the user's sessions
	version int     // Set: the one written
	handled bool    // Get: not counted as a read, and the answer has the handle. Kill: by handle
	made    *session
}

// view is what was known of a session when a request was sent.
type view struct {
	*session
	readsDone  int
	writesDone int
	own        int // reads of this request: a get answers r as it was before
	last       int // the latest version sent
	values     [keys]history
	created    bool
	killed     bool
	evicting   bool
	late       bool
}

func (m *Model) look(s *session) *view {
	return &view{
		session: s, readsDone: s.readsDone, writesDone: s.writesDone, last: s.writes,
		values: s.values, created: s.created, killed: s.killed, evicting: m.evicting, late: m.late,
	}
}

// Get asks for the session that choose picks out of n. It is nil if there is none.
func (m *Model) Get(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.living) == 0 {
		return nil
	}
	return m.get(m.living[choose(len(m.living))])
}

// GetDead asks for a session that was killed, nil if there is none.
func (m *Model) GetDead(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.dead) == 0 {
		return nil
	}
	return m.get(m.dead[choose(len(m.dead))])
}

func (m *Model) get(s *session) *Request {
	now := m.tick()
	if m.extended && now%8 == 3 {
		r := &Request{Kind: Get, Method: http.MethodGet, Path: m.path("get", s.token) + "?touch=false&with=handle", handled: true}
		if now%16 == 3 {
			r.Method, r.Path = http.MethodPost, m.path("touch", s.token)+"?with=handle"
		}
		r.view = m.look(s)
		return r
	}
	return m.read(s)
}

// read makes a read that counts as activity. The clock has ticked.
func (m *Model) read(s *session) *Request {
	s.reads++
	r := &Request{Kind: Get, Method: http.MethodGet, Path: m.path("get", s.token), view: m.look(s)}
	r.view.own = 1
	return r
}

// Set writes the next version of one key of a session.
func (m *Model) Set(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.living) == 0 {
		return nil
	}
	return m.set(m.living[choose(len(m.living))])
}

// SetDead writes to a session that was killed, which must stay dead.
func (m *Model) SetDead(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.dead) == 0 {
		return nil
	}
	return m.set(m.dead[choose(len(m.dead))])
}

func (m *Model) set(s *session) *Request {
	now := m.tick()
	s.writes++
	version := s.writes
	key := version % keys
	s.values[key] = s.values[key].with(write{version: version, sent: now})
	body, _ := json.Marshal(map[string]any{keyNames[key]: value(s.serial, key, version)})
	return &Request{
		Kind: Set, Method: http.MethodPost, Path: m.path("set", s.token), Body: body,
		view: m.look(s), version: version,
	}
}

// Create starts a session of user.
func (m *Model) Create(user string) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.tick()
	m.created++
	s := &session{serial: m.created, user: user}
	data := map[string]any{"n": s.serial}
	for key := range keys {
		s.values[key] = history{{sent: now}}
		data[keyNames[key]] = value(s.serial, key, 0)
	}
	m.users[user] = append(m.users[user][:len(m.users[user]):len(m.users[user])], s)
	body, _ := json.Marshal(data)
	return &Request{
		Kind: Create, Method: http.MethodPut, Body: body, user: user, made: s,
		Path: m.path("create", user) + "?ip=" + ip + "&ttl=" + strconv.Itoa(ttl),
	}
}

// Kill ends a session. One is killed once, so the answer says 1.
func (m *Model) Kill(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.living) == 0 {
		return nil
	}
	now := m.tick()
	s := m.living[choose(len(m.living))]
	m.withdraw(s)
	s.killing = true
	path, handled := m.path("kill", s.token), m.extended && now%2 == 0
	if handled {
		path = m.path("killsoid", s.user) + "?handle=" + store.Handle(s.token)
	}
	return &Request{Kind: Kill, Method: http.MethodDelete, Path: path, view: m.look(s), handled: handled}
}

// List asks for the sessions of the user whose session choose picks.
func (m *Model) List(choose func(n int) int) *Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.living) == 0 {
		return nil
	}
	return m.list(m.living[choose(len(m.living))].user)
}

func (m *Model) list(user string) *Request {
	m.tick()
	r := &Request{Kind: List, Method: http.MethodGet, Path: m.path("soid", user), user: user}
	for _, s := range m.users[user] {
		r.views = append(r.views, m.look(s))
	}
	return r
}

// Audit makes a read of every session that must be there, and of the killed
// ones that are remembered. All count as activity, so that an index that lost them has them.
func (m *Model) Audit() []*Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests := make([]*Request, 0, len(m.living)+len(m.dead))
	for _, sessions := range [][]*session{m.living, m.dead} {
		for _, s := range sessions {
			m.tick()
			requests = append(requests, m.read(s))
		}
	}
	return requests
}

// AuditLists makes a list of the sessions of each user, also of one who has none left.
func (m *Model) AuditLists() []*Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests := make([]*Request, 0, len(m.users))
	for user := range m.users {
		requests = append(requests, m.list(user))
	}
	return requests
}

// Package model knows what a server of sessions must answer, given only what was
// sent to it and what it has acknowledged. Requests overlap, so it never guesses
// an order: an answer is wrong only if no order of the requests in flight
// explains it.
package model

import (
	"math/rand"
	"net/url"
	"strconv"
	"sync"
)

// Kind is what a request does.
type Kind int

// The kinds of requests of the web mix.
const (
	Get Kind = iota
	Set
	Create
	Kill
	List
	Kinds int = iota
)

var kindNames = [Kinds]string{"get", "set", "create", "kill", "soid"}

// String is the name of the route, as in a mix.
func (k Kind) String() string { return kindNames[k] }

const (
	// ttl is longer than any run, in seconds: an expired session would be absent
	// without a kill.
	ttl = 86_400
	ip  = "192.0.2.17"
	// deadKept is how many killed sessions are remembered to ask for again.
	deadKept = 1024
	tokenLen = 64
)

// Model is what is known of the sessions of one app on one server. It may be
// used by any number of goroutines.
type Model struct {
	app     string
	checked bool

	mu    sync.Mutex
	clock uint64 // one tick an event; orders sends and acknowledgements
	// living are the sessions whose creation is acknowledged and that nobody asked
	// to kill; place is a session's index here.
	living  []*session
	dead    []*session // the last killed ones, in a ring
	deadEnd int
	users   map[string][]*session // sent to be created and not known to be dead
	tokens  map[string]*session
	created int // creations sent
	killed  int // sessions that are gone for certain

	extended bool // see Extend
	late     bool // see CountsLate
	evicting bool // see Evicting
	evicted  int  // sessions that are gone, though nobody asked to kill them
}

// session is one session. Counters are guarded by the model.
type session struct {
	serial int // also in its data, as a list names no token
	user   string
	token  string
	place  int

	reads, readsDone   int
	writes, writesDone int
	values             [keys]history
	created            bool // acknowledged
	killing, killed    bool // a kill was sent; it is gone for certain
	lost               bool // see Emptied
}

// New makes the model of an app that has no session yet. If not checked, Check
// takes any answer with a status of success: for a yardstick, which keeps none.
func New(app string, checked bool) *Model {
	return &Model{app: app, checked: checked, users: map[string][]*session{}, tokens: map[string]*session{}}
}

// Extend lets some requests be of the calls that the original does not have: touch, a get
// that does not count, and a kill by the session's handle.
func (m *Model) Extend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.extended = true
}

// CountsLate lets the server count reads late (RS_CACHE), and lose some in an outage: an r
// may be under what was read, never over.
func (m *Model) CountsLate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = true
}

// Living is the number of sessions that can be read.
func (m *Model) Living() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.living)
}

// Remaining is how many sessions the app has, at least and at most, once no
// request is in flight.
func (m *Model) Remaining() (least, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.living), m.created - m.killed
}

// UserID is the id of user number n. Some need escapes in a path, and colons,
// which separate the parts of an index member in Redis.
func UserID(n int) string {
	if n%10 == 3 {
		return "team/" + strconv.Itoa(n%7) + ":Zoë " + strconv.Itoa(n)
	}
	return "user" + strconv.Itoa(n)
}

// insert makes s known by its token and available to requests.
func (m *Model) insert(s *session, token string) {
	s.token, s.created = token, true
	m.tokens[token] = s
	s.place = len(m.living)
	m.living = append(m.living, s)
}

// withdraw keeps further requests from choosing s.
func (m *Model) withdraw(s *session) {
	last := m.living[len(m.living)-1]
	m.living[s.place] = last
	last.place = s.place
	m.living = m.living[:len(m.living)-1]
}

// bury notes that s is gone for certain.
func (m *Model) bury(s *session) {
	s.killed = true
	m.killed++
	left := m.users[s.user]
	for i, other := range left {
		if other == s {
			// A list in flight still reads the old slice.
			left = append(append([]*session(nil), left[:i]...), left[i+1:]...)
			break
		}
	}
	m.users[s.user] = left
	if len(m.dead) < deadKept {
		m.dead = append(m.dead, s)
		return
	}
	m.dead[m.deadEnd] = s
	m.deadEnd = (m.deadEnd + 1) % deadKept
}

// Emptied notes that the server's store is gone with all that was in it, and none
// of it can be read any more: the next store is empty, and {} is the truth about
// every session there was. One whose creation is in flight may begin in either.
func (m *Model) Emptied() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	for _, sessions := range m.users {
		for _, s := range sessions {
			s.lost = true
			if !s.created {
				continue
			}
			if !s.killing {
				m.withdraw(s)
			}
			s.killing = true
			m.bury(s)
		}
	}
}

func (m *Model) tick() uint64 {
	m.clock++
	return m.clock
}

// Invent adds n sessions that no server was asked for: what requests to a
// yardstick are made of.
func (m *Model) Invent(n, users int, random *rand.Rand) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.created++
		token := make([]byte, tokenLen)
		for i := range token {
			token[i] = letters[random.Intn(len(letters))]
		}
		m.insert(&session{serial: m.created, user: UserID(random.Intn(users))}, string(token))
	}
}

func (m *Model) path(route, arg string) string {
	return "/" + m.app + "/" + route + "/" + url.PathEscape(arg)
}

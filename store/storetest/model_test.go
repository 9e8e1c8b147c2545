package storetest

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"rest-sessions/store"
)

// model is a store as simple as the contract allows: one map, one lock. It shows
// that the suite can be passed, and, with a bug, that it can be failed.
type model struct {
	clock *Clock
	bug   string // one of bugs, or ""

	mu       sync.Mutex
	sessions map[key]*record
	users    map[key]int64 // last activity, by app and id
	aliases  map[key]*oldToken
}

// key is an app and a token or an id.
type key struct{ app, name string }

type record struct {
	store.Session       // TTL is what was left at lastActivity
	lastActivity  int64 // Unix seconds
	created       int64
	end           int64 // the last second whatever the activity, 0 for none
	app, token    string
	first         string
}

func newModel(clock *Clock, bug string) *model {
	return &model{clock: clock, bug: bug, sessions: map[key]*record{}, users: map[key]int64{}, aliases: map[key]*oldToken{}}
}

func (m *model) has(bug string) bool {
	if m.bug != "" && bugs[bug] == "" {
		panic("no such bug: " + bug)
	}
	return m.bug == bug
}

// yield lets others in, for the bugs that are a lack of atomicity.
func (m *model) yield() {
	m.mu.Unlock()
	runtime.Gosched()
	m.mu.Lock()
}

// enter takes the lock.
func (m *model) enter(ctx context.Context) error {
	if ctx.Err() != nil && !m.has("an ended context is not seen") {
		if m.has("an ended context is no such session") {
			return store.ErrNotFound
		}
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	m.mu.Lock()
	return nil
}

func (m *model) copied(s string) string {
	if m.has("arguments are kept") {
		return s
	}
	return strings.Clone(s)
}

func (m *model) Create(ctx context.Context, app, token string, n store.New) (store.Details, error) {
	if err := m.enter(ctx); err != nil {
		return store.Details{}, err
	}
	defer m.mu.Unlock()
	app, token = m.copied(app), m.copied(token)
	r := &record{lastActivity: m.clock.Now(), created: m.clock.Now()}
	r.Session = store.Session{ID: m.copied(n.ID), IP: m.copied(n.IP), R: 1, W: 1, TTL: n.TTL, NoResave: n.NoResave}
	if m.has("an id ends at its colon") {
		r.ID, _, _ = strings.Cut(r.ID, ":")
	}
	if m.has("an id ends at a NUL") {
		r.ID, _, _ = strings.Cut(r.ID, "\x00")
	}
	r.D, _ = n.Data.Merge("")
	if m.has("first nulls are kept") && len(n.Data) > 0 {
		r.D = n.Data.Text()
	}
	if len(r.D) > store.DefaultMaxData && !m.has("create has no limit of data") {
		return store.Details{}, store.ErrTooLarge
	}
	r.app, r.token, r.first = app, token, token
	if n.MaxAge > 0 && !m.has("a max age is ignored") {
		r.end = r.created + n.MaxAge
	}
	endsNew := m.has("a limit may end the new one")
	if n.MaxSessions > 0 && !endsNew {
		m.limit(key{app, r.ID}, n.MaxSessions)
	}
	m.sessions[key{app, token}] = r
	m.users[key{app, r.ID}] = max(m.users[key{app, r.ID}], r.lastActivity)
	if n.MaxSessions > 0 && endsNew {
		m.limit(key{app, r.ID}, n.MaxSessions+1)
	}
	return m.details(r), nil
}

// idle returns how long r has been idle, and whether it is alive.
func (m *model) idle(r *record) (int64, bool) {
	idle := m.clock.Now() - r.lastActivity
	if !m.has("idle may be negative") {
		idle = max(0, idle)
	}
	limit := r.TTL
	if m.has("alive a second too long") {
		limit++
	}
	if m.has("over a second too early") {
		limit--
	}
	end := r.end
	if m.has("a max age is a second too long") {
		end++
	}
	if m.has("a max age is a second too short") {
		end--
	}
	return idle, limit >= idle && (r.end == 0 || end >= m.clock.Now())
}

// alive returns a session, as it would be answered, if there is one.
func (m *model) alive(k key) (*record, store.Session, error) {
	r := m.sessions[k]
	if r == nil {
		return nil, store.Session{}, store.ErrNotFound
	}
	idle, alive := m.idle(r)
	if !alive {
		return nil, store.Session{}, store.ErrNotFound
	}
	answer := r.Session
	answer.Idle, answer.Details = idle, m.details(r)
	if r.NoResave && !m.has("the ttl left is not answered") {
		answer.TTL -= idle
	}
	return r, answer, nil
}

func (m *model) touch(k key, r *record) {
	idle, _ := m.idle(r)
	if idle < 1 || m.has("touches are lost") {
		return
	}
	if r.NoResave && !m.has("no resave is saved again") {
		r.TTL -= idle
		if m.has("no resave drifts") && idle > 1 {
			r.TTL--
		}
	}
	if r.end != 0 && m.has("a max age follows activity") {
		r.end += m.clock.Now() - r.lastActivity
	}
	r.lastActivity = m.clock.Now()
	if !m.has("touches are no activity of the user") {
		m.users[key{k.app, r.ID}] = max(m.users[key{k.app, r.ID}], r.lastActivity)
	}
}

func (m *model) Get(ctx context.Context, app, token string) (store.Session, error) {
	answer, err := m.read(ctx, app, token)
	if !m.has("get tells the details") {
		answer.Details = store.Details{}
	}
	return answer, err
}

func (m *model) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	if m.has("a read with details does not count") {
		return m.Peek(ctx, app, token)
	}
	return m.read(ctx, app, token)
}

func (m *model) read(ctx context.Context, app, token string) (store.Session, error) {
	if err := m.enter(ctx); err != nil {
		return store.Session{}, err
	}
	defer m.mu.Unlock()
	k := m.named(key{app, token})
	r, answer, err := m.alive(k)
	if err != nil {
		return store.Session{}, err
	}
	if m.has("reads are lost") {
		count := r.R
		m.yield()
		r.R = count
	}
	r.R++
	m.touch(k, r)
	if m.has("a read counts itself") {
		answer.R = r.R
	}
	if !m.has("the expiry is of before") {
		answer.Details = m.details(r)
	}
	return answer, nil
}

func (m *model) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	return m.set(ctx, app, token, anyW, d)
}

// anyW is a w for which set has no condition.
const anyW = -1

// set changes the session if its w is as given.
func (m *model) set(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	if err := m.enter(ctx); err != nil {
		return store.Session{}, err
	}
	defer m.mu.Unlock()
	k := key{m.copied(app), m.copied(token)}
	if !m.has("an old token does not set") {
		k = m.named(k)
	}
	r, answer, err := m.alive(k)
	if err != nil {
		if m.has("a set makes a session") {
			r = &record{Session: store.Session{ID: "u", TTL: 10}, lastActivity: m.clock.Now()}
			m.sessions[k] = r
			return r.Session, nil
		}
		return store.Session{}, err
	}
	if w != anyW && m.conflicts(w, r) {
		return m.conflict(k, r, answer)
	}
	if m.has("a set revives") {
		m.yield()
		m.sessions[k] = r
	}
	merged, ok := d.Merge(r.D)
	switch {
	case !ok:
		return store.Session{}, fmt.Errorf("malformed data %q", r.D)
	case m.has("a changed key goes last"):
		var without store.Data
		for _, f := range d {
			without = append(without, store.Field{Key: f.Key, Value: "null"})
		}
		merged, _ = without.Merge(r.D)
		merged, _ = d.Merge(merged)
	case m.has("a set merges inside of values"):
		merged, _ = mergeInside(r.D, d).Merge(r.D)
	case m.has("a null is stored"):
		merged = strings.TrimSuffix(r.D, "}") + "," + d.Text()[1:]
	case m.has("numbers are rounded"):
		merged = strings.ReplaceAll(merged, "12345678901234567890", "12345678901234567000")
	case m.has("an empty object is left"):
		merged = cmp.Or(merged, "{}")
	}
	size, most := len(merged), store.DefaultMaxData
	if m.has("a limit of data is of the change") {
		size = len(d.Text())
	}
	if m.has("data at its limit cannot be replaced") {
		most--
	}
	if size > most && !m.has("a set has no limit of data") {
		if m.has("a set that is too large counts") {
			r.W++
		}
		return store.Session{}, store.ErrTooLarge
	}
	if m.has("sets are lost") {
		m.yield()
	}
	r.D = m.copied(merged)
	if !m.has("writes are not counted") {
		r.W++
	}
	if !m.has("a set does not touch") && !(w != anyW && m.has("a conditional set does not touch")) {
		m.touch(k, r)
	}
	answer.D, answer.W, answer.Details = r.D, r.W, m.details(r)
	if m.has("answers change") {
		// One buffer for all answers.
		answer.D = sharedAnswer(answer.D)
	}
	return answer, nil
}

// mergeInside returns d with its objects merged into those that stored has.
func mergeInside(stored string, d store.Data) store.Data {
	fields, _ := ParseObject(stored)
	inside := slices.Clone(d)
	for i, change := range d {
		for _, f := range fields {
			part, isObject := ParseChange(change.Value)
			if f.Key != change.Key || !isObject {
				continue
			}
			if merged, ok := part.Merge(f.Value); ok {
				inside[i].Value = cmp.Or(merged, "{}")
			}
		}
	}
	return inside
}

func (m *model) Kill(ctx context.Context, app, token string) (bool, error) {
	if err := m.enter(ctx); err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	k := key{app, token}
	if !m.has("an old token does not kill") {
		k = m.named(k)
	}
	if _, _, err := m.alive(k); err != nil {
		if m.has("kill takes a session that is over") && m.sessions[k] != nil {
			m.remove(k)
		}
		return m.has("kill finds any"), nil
	}
	m.remove(k)
	return true, nil
}

// remove frees a session, and its user with the last of them.
func (m *model) remove(k key) {
	id := m.sessions[k].ID
	delete(m.sessions, k)
	if m.has("a user outlives the last session") {
		return
	}
	if len(m.ofUser(k.app, id)) == 0 || m.has("a user goes with any session") {
		delete(m.users, key{k.app, id})
	}
}

func (m *model) ofUser(app, id string) []key {
	return m.find(func(k key, r *record) bool {
		if m.has("an id finds what begins with it") {
			return k.app == app && strings.HasPrefix(r.ID, id)
		}
		return k.app == app && r.ID == id
	})
}

func (m *model) find(is func(k key, r *record) bool) []key {
	var found []key
	for k, r := range m.sessions {
		if is(k, r) {
			found = append(found, k)
		}
	}
	return found
}

func (m *model) KillID(ctx context.Context, app, id, except string) (int64, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	var killed int64
	kept := key{app, except}
	if !m.has("except is the token of now") {
		kept = m.named(kept)
	}
	for _, k := range m.ofUser(app, id) {
		if k == kept && !m.has("except is killed") {
			if m.has("except is counted") {
				killed++
			}
			continue
		}
		if _, _, err := m.alive(k); err == nil || m.has("killid counts what is over") {
			killed++
		}
		m.remove(k)
		if killed == modelChunk && m.has("killid ends after a step") {
			break
		}
	}
	return killed, nil
}

func (m *model) KillApp(ctx context.Context, app string) (int64, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	var killed int64
	for _, k := range m.find(func(k key, _ *record) bool {
		return k.app == app || m.has("killapp takes apps that begin alike") && strings.HasPrefix(k.app, app)
	}) {
		if _, _, err := m.alive(k); err == nil || !m.has("killapp counts the living") {
			killed++
		}
		m.remove(k)
		if killed == modelChunk && m.has("killapp ends after a step") {
			break
		}
	}
	return killed, nil
}

func (m *model) Wipe(ctx context.Context) (int64, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	var wiped int64
	for _, k := range m.find(func(_ key, r *record) bool {
		at := store.WipeAt(r.lastActivity, r.TTL, r.NoResave, r.end)
		switch {
		case m.has("wipe ignores the max age"):
			at = store.WipeAt(r.lastActivity, r.TTL, r.NoResave, 0)
		case m.has("wipe takes the last second of a max age") && r.end != 0:
			at = min(at, r.end)
		case m.has("wipe ignores touches"):
			at = store.WipeAt(r.created, r.TTL, r.NoResave, r.end)
		case m.has("wipe takes what is just over"):
			at = r.lastActivity + r.TTL + 1
		case m.has("wipe takes the living"):
			at--
		case m.has("wipe is a second late"):
			at++
		}
		return at <= m.clock.Now()
	}) {
		m.remove(k)
		if wiped++; wiped == modelChunk && m.has("wipe ends after a step") {
			break
		}
	}
	return wiped, nil
}

func (m *model) Ping(ctx context.Context) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	m.mu.Unlock()
	return nil
}

func (m *model) Close() {}

var answerBuffer struct {
	mu    sync.Mutex
	bytes []byte
}

// sharedAnswer returns s in memory that the next call overwrites.
func sharedAnswer(s string) string {
	answerBuffer.mu.Lock()
	defer answerBuffer.mu.Unlock()
	if answerBuffer.bytes == nil {
		answerBuffer.bytes = make([]byte, 1<<20)
	}
	n := copy(answerBuffer.bytes, s)
	return alias(answerBuffer.bytes[:n])
}

package storetest

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"unsafe"

	"rest-sessions/store"
)

// modelChunk is how many sessions a chunk of the model holds.
const modelChunk = 100

func (m *model) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	since := m.clock.Now() - dt
	if m.has("activity leaves out its boundary") {
		since++
	}
	var n int64
	for k, la := range m.users {
		alive := slices.ContainsFunc(m.ofUser(k.app, k.name), func(k key) bool {
			_, _, err := m.alive(k)
			return err == nil
		})
		if k.app == app && la >= since && (alive || !m.has("activity counts users with a session")) {
			n++
		}
	}
	if m.has("activity counts sessions") {
		n = int64(len(m.find(func(k key, r *record) bool { return k.app == app && r.lastActivity >= since })))
	}
	return n, nil
}

func (m *model) SessionsOfApp(_ context.Context, app string, dt int64) store.List {
	app = m.copied(app)
	return &modelList{m: m, find: func() []key {
		since := m.clock.Now() - dt
		if m.has("a list leaves out its boundary") {
			since++
		}
		found := m.find(func(k key, r *record) bool { return k.app == app && r.lastActivity >= since })
		slices.SortFunc(found, func(a, b key) int {
			if m.has("a list goes by token alone") {
				return strings.Compare(b.name, a.name)
			}
			if m.has("a list orders tokens upwards") {
				a.name, b.name = b.name, a.name
			}
			return cmp.Or(cmp.Compare(m.lastActivity(b), m.lastActivity(a)), strings.Compare(b.name, a.name))
		})
		return found
	}}
}

func (m *model) lastActivity(k key) int64 {
	if r := m.sessions[k]; r != nil {
		return r.lastActivity
	}
	return 0
}

func (m *model) SessionsOfID(_ context.Context, app, id string) store.List {
	app, id = m.copied(app), m.copied(id)
	return &modelList{m: m, find: func() []key { return m.ofUser(app, id) }}
}

type modelList struct {
	m     *model
	find  func() []key
	found bool
	left  []listing
	at    int // the next chunk's first place, for a list that looks anew each time
}

// listing is a session that a list has found, and the token that it had then.
type listing struct {
	r     *record
	token string
}

// records returns what the list finds: a session stays in it when its token changes.
func (p *modelList) records() []listing {
	var found []listing
	for _, k := range p.find() {
		found = append(found, listing{p.m.sessions[k], k.name})
	}
	return found
}

func (p *modelList) Next(ctx context.Context) ([]store.Session, error) {
	if err := p.m.enter(ctx); err != nil {
		return nil, err
	}
	defer p.m.mu.Unlock()
	if !p.found {
		p.left, p.found = p.records(), true
	}
	if p.m.has("a list goes by place") {
		p.left = p.records()
		p.left = p.left[min(p.at, len(p.left)):]
		p.at += modelChunk
	}
	var chunk []store.Session
	for len(p.left) > 0 && len(chunk) < modelChunk {
		r := p.left[0].r
		k := key{r.app, r.token}
		if p.m.has("a list loses rotated sessions") {
			k.name = p.left[0].token
		}
		if now, answer, err := p.m.alive(k); err == nil && now == r {
			chunk = append(chunk, p.m.inList(answer))
			if p.m.has("a list is activity") {
				p.m.touch(k, r)
			}
		} else if p.m.has("a list holds what is over") && p.m.sessions[k] != nil {
			chunk = append(chunk, r.Session)
		}
		p.left = p.left[1:]
	}
	if p.m.has("a list is one chunk") {
		p.left = nil
	}
	if len(chunk) == 0 && !(p.m.has("a list may have an empty chunk") && p.at == 0) {
		return nil, io.EOF
	}
	p.at++
	return chunk, nil
}

// alias returns b as a string that changes with it.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

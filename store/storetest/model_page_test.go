package storetest

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"

	"rest-sessions/store"
)

func (m *model) PageOfApp(_ context.Context, app string, dt int64, limit int, cursor string) store.Page {
	p := &modelPage{m: m, list: store.ListOfApp(m.copied(app)), limit: limit, cursor: m.copied(cursor)}
	app = m.copied(app)
	p.find = func() error {
		c := store.Cursor{Start: m.clock.Now(), LastActivity: store.MaxTTL}
		if err := p.parse(&c); err != nil {
			return err
		}
		since := c.Start - dt
		if m.has("a page has the dt of its own") {
			since = m.clock.Now() - dt
		}
		all := m.find(func(k key, r *record) bool { return k.app == app && r.lastActivity >= since })
		if m.has("a page counts places") {
			p.byPlace(c, all)
			return nil
		}
		all = slices.DeleteFunc(all, func(k key) bool {
			la := m.lastActivity(k)
			again := m.has("a page lists its last once more")
			return la > c.LastActivity || la == c.LastActivity && k.cut() >= c.Token && !again
		})
		slices.SortFunc(all, m.latestFirst)
		if m.has("a page goes by token alone") {
			slices.SortFunc(all, func(a, b key) int { return strings.Compare(b.name, a.name) })
		}
		more := p.take(all, func(last key) { c.LastActivity, c.Token = m.lastActivity(last), last.cut() })
		if more || m.has("a page of all has a cursor") && len(p.left) == limit {
			p.next = c.Text(p.list)
		}
		return nil
	}
	return p
}

func (m *model) PageOfID(_ context.Context, app, id string, limit int, cursor string) store.Page {
	p := &modelPage{m: m, list: store.ListOfID(m.copied(app), m.copied(id)), limit: limit, cursor: m.copied(cursor)}
	app, id = m.copied(app), m.copied(id)
	p.find = func() error {
		var c store.Cursor
		if err := p.parse(&c); err != nil {
			return err
		}
		all := m.ofUser(app, id)
		if m.has("a page of an id is of the app") {
			all = m.find(func(k key, _ *record) bool { return k.app == app })
		}
		all = slices.DeleteFunc(all, func(k key) bool { return k.cut() <= c.Token })
		slices.SortFunc(all, func(a, b key) int { return strings.Compare(a.name, b.name) })
		if m.has("a page of an id has no limit") {
			p.limit = len(all)
		}
		if p.take(all, func(last key) { c.Token = last.cut() }) {
			p.next = c.Text(p.list)
		}
		return nil
	}
	return p
}

func (k key) cut() string { return k.name[:store.CursorTokenLen] }

func (m *model) latestFirst(a, b key) int {
	return cmp.Or(cmp.Compare(m.lastActivity(b), m.lastActivity(a)), strings.Compare(b.name, a.name))
}

// modelPage holds all of a page at once, and hands it out in chunks.
type modelPage struct {
	m            *model
	list         string
	limit        int
	cursor, next string
	find         func() error // with the lock
	found        bool
	left         []key
}

func (p *modelPage) parse(c *store.Cursor) error {
	if p.cursor == "" {
		return nil
	}
	parsed, err := store.ParseCursor(p.cursor, p.list)
	if p.m.has("a page takes any cursor") && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// take takes keys while there is room, tells the last, and reports whether there
// are more.
func (p *modelPage) take(keys []key, last func(key)) (more bool) {
	n := min(len(keys), p.limit-len(p.left))
	if p.m.has("a page has no limit") {
		n = len(keys)
	}
	if p.left = append(p.left, keys[:n]...); n > 0 {
		last(keys[n-1])
	}
	return n < len(keys)
}

// byPlace pages as a client would that counts places.
func (p *modelPage) byPlace(c store.Cursor, all []key) {
	slices.SortFunc(all, p.m.latestFirst)
	if p.cursor == "" {
		c.LastActivity = 0
	}
	c.LastActivity, all = c.LastActivity+int64(p.limit), all[min(int(c.LastActivity), len(all)):]
	if p.take(all, func(last key) { c.Token = last.cut() }) {
		p.next = c.Text(p.list)
	}
}

func (p *modelPage) Next(ctx context.Context) ([]store.Session, error) {
	if err := p.m.enter(ctx); err != nil {
		return nil, err
	}
	defer p.m.mu.Unlock()
	if !p.found {
		if err := p.find(); err != nil {
			return nil, err
		}
		p.found = true
	}
	var chunk []store.Session
	for len(p.left) > 0 && len(chunk) < modelChunk {
		if _, answer, err := p.m.alive(p.left[0]); err == nil {
			chunk = append(chunk, p.m.inList(answer))
		} else if p.m.has("a page holds what is over") {
			chunk = append(chunk, p.m.sessions[p.left[0]].Session)
		}
		p.left = p.left[1:]
	}
	if len(chunk) == 0 {
		return nil, io.EOF
	}
	return chunk, nil
}

func (p *modelPage) Cursor() string { return p.next }

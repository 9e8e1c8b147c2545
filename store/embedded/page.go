package embedded

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"strings"

	"rest-sessions/store"
)

// cutLen is the length of a cursor's token, packed.
const cutLen = store.CursorTokenLen * 6 / 8

// found is a session that belongs in a page of a list.
type found struct {
	token [cutLen]byte
	entry entry
}

// latestFirst is the order of an app's list.
func latestFirst(a, b found) int {
	return cmp.Or(cmp.Compare(b.entry.lastActivity, a.entry.lastActivity), byToken(b, a))
}

// byToken is the order of a user's list.
func byToken(a, b found) int { return bytes.Compare(a.token[:], b.token[:]) }

// page hands out the sessions of a page of a list.
type page struct {
	list
	cursor string
}

// Cursor implements store.Page.
func (p *page) Cursor() string { return p.cursor }

// take takes the first limit of some for the page, and returns the last and
// whether there are more.
func (p *page) take(some []found, limit int) (last found, more bool) {
	for _, f := range some[:min(limit, len(some))] {
		p.entries = append(p.entries, f.entry)
		last = f
	}
	return last, len(some) > limit
}

// PageOfID lists a page of a user's sessions. As PageOfApp it notes at once which
// there are.
func (s *Store) PageOfID(ctx context.Context, app, id string, limit int, cursor string) store.Page {
	p := &page{list: list{store: s}}
	p.err = p.ofID(ctx, app, id, limit, cursor)
	return p
}

func (p *page) ofID(ctx context.Context, app, id string, limit int, cursor string) error {
	list, low := store.ListOfID(app, id), ""
	if cursor != "" {
		c, err := store.ParseCursor(cursor, list)
		if err != nil {
			return err
		}
		low = c.Token
	}
	all, err := p.store.entriesOfUser(ctx, app, id)
	if err != nil {
		return err
	}
	first, after := store.NewTopN(limit+1, byToken), cut(low)
	sh := p.store.shard(store.Bucket(id))
	for len(all) > 0 {
		n := min(scanStep, len(all))
		sh.mu.Lock()
		for _, e := range all[:n] {
			if rec := sh.at(e.slot, e.serial); rec != nil && bytes.Compare(rec.token[:cutLen], after) > 0 {
				first.Add(found{[cutLen]byte(rec.token[:]), e})
			}
		}
		sh.mu.Unlock()
		all = all[n:]
	}
	if last, more := p.take(first.All(), limit); more {
		p.cursor = (&store.Cursor{Token: last.text()}).Text(list)
	}
	return ended(ctx)
}

// PageOfApp lists a page of an app's sessions. It takes the order at once, before
// it returns.
func (s *Store) PageOfApp(ctx context.Context, app string, dt int64, limit int, cursor string) store.Page {
	p := &page{list: list{store: s}}
	p.err = p.ofApp(ctx, app, dt, limit, cursor)
	return p
}

func (p *page) ofApp(ctx context.Context, app string, dt int64, limit int, cursor string) error {
	s, list := p.store, store.ListOfApp(app)
	c := store.Cursor{Start: s.now(), LastActivity: math.MaxInt64}
	if cursor != "" {
		var err error
		if c, err = store.ParseCursor(cursor, list); err != nil {
			return err
		}
	}
	first, after := store.NewTopN(limit+1, latestFirst), cut(c.Token)
	err := s.scanAll(ctx, app, func(rec *session, e entry) {
		if la := rec.lastActivity; c.Start-dt <= la &&
			(la < c.LastActivity || la == c.LastActivity && bytes.Compare(rec.token[:cutLen], after) < 0) {
			first.Add(found{[cutLen]byte(rec.token[:]), e})
		}
	})
	if err != nil {
		return err
	}
	if last, more := p.take(first.All(), limit); more {
		c.LastActivity, c.Token = last.entry.lastActivity, last.text()
		p.cursor = c.Text(list)
	}
	return nil
}

// scanAll calls see with the live sessions of an app, some of them twice if they
// move. A shard's lock is held meanwhile, and let go between steps.
func (s *Store) scanAll(ctx context.Context, app string, see func(*session, entry)) error {
	k := s.key(app, "")
	for i := range s.shards {
		sh := &s.shards[i]
		var seen slotSet
		for from := math.MaxInt; from >= 0; {
			if err := ended(ctx); err != nil {
				return err
			}
			sh.mu.Lock()
			from = sh.eachOfApp(k, app, s.now(), from, &seen, func(slot uint32) {
				see(sh.sessions.at(slot), sh.entry(slot, i))
			})
			sh.mu.Unlock()
			if from >= 0 {
				yield()
			}
		}
	}
	return nil
}

// text is the token as a cursor has it.
func (f found) text() string {
	var t token
	copy(t[:], f.token[:])
	return t.String()[:store.CursorTokenLen]
}

// cut packs a cursor's token. Of an empty one nothing is left, which comes before
// any.
func cut(text string) []byte {
	if text == "" {
		return nil
	}
	t := pack(text + strings.Repeat("0", store.TokenLen-len(text)))
	return t[:cutLen]
}

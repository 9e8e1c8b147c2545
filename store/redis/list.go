package redis

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"rest-sessions/store"
)

const (
	// listPageSize is how many sessions a script reads in one call: Redis is
	// held for about a third of a millisecond (a session costs it 3 us).
	listPageSize = 100
	// listPageBytes ends a page of large sessions early, since a reply of
	// megabytes holds Redis too.
	listPageBytes = 128 << 10
	// wholeUser is how many sessions a user may have for all their tokens to go out in
	// one reply, of 66 KB.
	wholeUser = 1000
)

// SessionsOfID implements store.Store.
func (s *Store) SessionsOfID(_ context.Context, app, id string) store.Pages {
	app, id = strings.Clone(app), strings.Clone(id)
	return &idPages{s: s, app: app, id: id, cursor: "0"}
}

// idPages walks the set of a user's tokens: in one step, or, if it is very big, with
// SSCAN, which never misses a token that is there throughout but may give one twice,
// and may miss a session that is rotated meanwhile.
type idPages struct {
	s       *Store
	app, id string
	cursor  string // "" when the set is done
	met     met
	left    []string // tokens that the last page had no room for
}

func (p *idPages) Next(ctx context.Context) ([]store.Session, error) {
	for {
		var found []store.Session
		var err error
		switch {
		case len(p.left) > 0:
			found, p.left, err = p.s.readSessions(ctx, p.app, p.left, &p.met)
		case p.cursor != "":
			found, err = p.scan(ctx)
		default:
			return nil, io.EOF
		}
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
}

// scan reads the next page of the set.
func (p *idPages) scan(ctx context.Context) ([]store.Session, error) {
	l, err := p.s.layout(ctx)
	if err != nil {
		return nil, err
	}
	of := l.ofID(p.app, p.id)
	reply, err := p.s.exec(ctx, p.s.scripts.soid, []string{of.user(p.id)},
		[]string{of.prefix, p.cursor, strconv.Itoa(listPageSize), strconv.Itoa(listPageBytes), strconv.Itoa(wholeUser)})
	if err != nil {
		return nil, err
	}
	parts, err := reply.ToArray()
	if err != nil || len(parts) != 3 {
		return nil, fmt.Errorf("%w: soid: %v", errReply, err)
	}
	cursor, err1 := parts[0].ToString()
	tokens, err2 := parts[1].AsStrSlice()
	texts, err3 := parts[2].AsStrSlice()
	if err := cmp.Or(err1, err2, err3); err != nil || len(texts) > len(tokens) {
		return nil, fmt.Errorf("%w: soid: %v", errReply, err)
	}
	if cursor == "0" {
		cursor = ""
	}
	p.met.all = p.met.all || cursor != "" // else the set is all in this reply
	p.cursor = cursor
	p.left = tokens[len(texts):]
	found := make([]store.Session, 0, len(texts))
	for i := range texts {
		if found, err = appendSession(found, tokens[i], texts[i], &p.met); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// SessionsOfApp implements store.Store.
func (s *Store) SessionsOfApp(_ context.Context, app string, dt int64) store.Pages {
	return &appPages{s: s, app: strings.Clone(app), dt: dt}
}

// appPages first finds all tokens of the list, 80 bytes each, since the latest
// may stand anywhere in an index that is exact to the minute; then it reads their
// sessions page by page.
type appPages struct {
	s     *Store
	app   string
	dt    int64
	found bool
	met   met
	left  []string // tokens still to be read, in order
}

func (p *appPages) Next(ctx context.Context) ([]store.Session, error) {
	if !p.found {
		var err error
		if p.left, err = p.find(ctx); err != nil {
			return nil, err
		}
		p.found = true
	}
	for len(p.left) > 0 {
		var page []store.Session
		var err error
		page, p.left, err = p.s.readSessions(ctx, p.app, p.left, &p.met)
		if err != nil || len(page) > 0 {
			return page, err
		}
	}
	return nil, io.EOF
}

// hit is a session that belongs in the list.
type hit struct {
	la    int64
	token string
}

// hitLen is the length of a hit in a reply: la in 10 digits, then the token.
const hitLen = 10 + store.TokenLen

// appendHits appends the hits that stand back to back in text.
func appendHits(hits []hit, text string) ([]hit, error) {
	for ; len(text) >= hitLen; text = text[hitLen:] {
		la, err := strconv.ParseUint(text[:10], 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errReply, err)
		}
		hits = append(hits, hit{int64(la), text[10:hitLen]})
	}
	if text != "" {
		return nil, fmt.Errorf("%w: %d bytes of a session found", errReply, len(text))
	}
	return hits, nil
}

// find returns the tokens in the list's order.
func (p *appPages) find(ctx context.Context) ([]string, error) {
	l, err := p.s.layout(ctx)
	if err != nil {
		return nil, err
	}
	parts := l.parts(p.app)
	lists := make([][]hit, len(parts))
	err = each(ctx, parts, func(ctx context.Context, i int, of part) (err error) {
		lists[i], err = p.walk(ctx, l, of)
		return err
	})
	if err != nil {
		return nil, err
	}
	return merge(lists), nil
}

// walk walks the index of a part and returns its hits in the list's order.
func (p *appPages) walk(ctx context.Context, l layout, of part) ([]hit, error) {
	keys := []string{of.sessions()}
	args := []string{of.prefix, strconv.FormatInt(p.dt, 10), strconv.Itoa(listPageSize)}
	var hits []hit
	var start int64
	for more := true; more; {
		reply, err := p.s.exec(ctx, p.s.scripts.soapp, keys, args)
		if err != nil {
			return nil, err
		}
		parts, err := reply.ToArray()
		if err != nil || len(parts) != 5 {
			return nil, fmt.Errorf("%w: soapp: %v", errReply, err)
		}
		var ahead int64
		var errs [5]error
		start, errs[0] = parts[0].ToInt64()
		ahead, errs[1] = parts[1].ToInt64()
		score, err2 := parts[2].ToString()
		member, err3 := parts[3].ToString()
		text, err4 := parts[4].ToString()
		if err := cmp.Or(errs[0], errs[1], err2, err3, err4); err != nil {
			return nil, fmt.Errorf("%w: soapp: %v", errReply, err)
		}
		if hits == nil {
			hits = make([]hit, 0, max(0, ahead)) // all at once: growing would hold it twice
		}
		if hits, err = appendHits(hits, text); err != nil {
			return nil, err
		}
		more = member != ""
		args = append(args[:3:3], strconv.FormatInt(start, 10), score, member)
	}
	return inOrder(hits, start), nil
}

// inOrder sorts hits, latest first and then by token, descending, and leaves out
// those that the walk met twice. Such a one was active after the walk began, at
// start, so only those that were need to be remembered.
func inOrder(hits []hit, start int64) []hit {
	slices.SortFunc(hits, compareHits)
	recent := make(map[string]struct{})
	return slices.DeleteFunc(hits, func(h hit) bool {
		if _, twice := recent[h.token]; twice {
			return true
		}
		if h.la >= start {
			recent[h.token] = struct{}{}
		}
		return false
	})
}

// compareHits compares by the order of the list.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(b.la, a.la), cmp.Compare(b.token, a.token))
}

// readSessions reads a page from the head of tokens, and returns those of it that
// are alive and the tokens still to be read.
func (s *Store) readSessions(ctx context.Context, app string, tokens []string, m *met) ([]store.Session, []string, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return nil, nil, err
	}
	page := tokens[:min(len(tokens), listPageSize)]
	if l.sharded() {
		return s.readSpread(ctx, l, app, tokens, len(page), m)
	}
	keys := make([]string, len(page))
	of := l.classic(app)
	for i, token := range page {
		keys[i] = of.session(token)
	}
	reply, err := s.exec(ctx, s.scripts.sessions, keys, []string{strconv.Itoa(listPageBytes)})
	if err != nil {
		return nil, nil, err
	}
	texts, err := reply.AsStrSlice()
	if err != nil || len(texts) == 0 || len(texts) > len(page) {
		return nil, nil, fmt.Errorf("%w: sessions: %v", errReply, err)
	}
	found, err := appendSessions(make([]store.Session, 0, len(texts)), page, texts, m)
	return found, tokens[len(texts):], err
}

// appendSessions appends the sessions that texts, replies for tokens, render,
// without those that are none.
func appendSessions(found []store.Session, tokens, texts []string, m *met) (_ []store.Session, err error) {
	for i, text := range texts {
		if found, err = appendSession(found, tokens[i], text, m); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// met is what a list has to know of the sessions in it, lest it holds one twice.
// One that is rotated while the list is read may be met under two tokens, but the
// first that it had stays with it.
type met struct {
	all    bool                // remember all, not only those that were rotated
	firsts map[string]struct{} // first tokens
}

// again reports whether a session was met before. first is "" of one that still has
// its first token.
func (m *met) again(token, first string) bool {
	if first == "" {
		if !m.all {
			return false
		}
		first = token
	}
	if _, again := m.firsts[first]; again {
		return true
	}
	if m.firsts == nil {
		m.firsts = make(map[string]struct{})
	}
	m.firsts[first] = struct{}{}
	return false
}

// appendSession appends the session that text, a reply for token, renders, if there
// is one that was not met before.
func appendSession(found []store.Session, token, text string, m *met) ([]store.Session, error) {
	session, first, err := cutSession(text)
	switch {
	case err != nil && err != store.ErrNotFound:
		return nil, err
	case first != "" && (err != nil || len(first) != store.TokenLen):
		return nil, fmt.Errorf("%w: %d bytes after the session", errReply, len(first))
	case err != nil || m.again(token, first):
		return found, nil
	}
	return append(found, session), nil
}

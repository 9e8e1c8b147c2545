package redis

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"rest-sessions/store"
)

// scanStep is how many entries of an index a script looks at in one call where it
// need not read the hash of each: Redis is held for some 0.2 ms.
const scanStep = 200

// PageOfID implements store.Store.
func (s *Store) PageOfID(_ context.Context, app, id string, limit int, cursor string) store.Page {
	p := &listPage{listReader: listReader{s: s, app: strings.Clone(app)}, limit: limit, cursor: strings.Clone(cursor)}
	id = strings.Clone(id)
	p.list = store.ListOfID(p.app, id)
	p.find = func(ctx context.Context) error { return p.ofUser(ctx, id) }
	return p
}

// PageOfApp implements store.Store.
func (s *Store) PageOfApp(_ context.Context, app string, dt int64, limit int, cursor string) store.Page {
	p := &listPage{listReader: listReader{s: s, app: strings.Clone(app)}, limit: limit, cursor: strings.Clone(cursor)}
	p.list = store.ListOfApp(p.app)
	p.find = func(ctx context.Context) error { return p.ofApp(ctx, dt) }
	return p
}

// listPage first finds which sessions it holds, and then reads them in chunks.
type listPage struct {
	listReader
	list  string
	limit int
	// cursor is where the page begins until find has run, and then where the next
	// one does.
	cursor string
	find   func(ctx context.Context) error
	found  bool
}

// Cursor implements store.Page.
func (p *listPage) Cursor() string { return p.cursor }

// Next implements store.List.
func (p *listPage) Next(ctx context.Context) ([]store.Session, error) {
	if !p.found {
		if err := p.find(ctx); err != nil {
			return nil, err
		}
		p.found = true
	}
	for len(p.left) > 0 {
		if chunk, err := p.read(ctx); err != nil || len(chunk) > 0 {
			return chunk, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil, io.EOF
}

// begin reads the cursor, if there is one.
func (p *listPage) begin(c *store.Cursor) (err error) {
	if p.cursor != "" {
		*c, err = store.ParseCursor(p.cursor, p.list)
		p.cursor = ""
	}
	return err
}

// end takes the page's tokens, and sets the cursor to go on at c if there are more.
func (p *listPage) end(c *store.Cursor, tokens []string, more bool) {
	p.left = tokens
	if more {
		p.cursor = c.Text(p.list)
	}
}

// ofUser finds a page of a user's tokens.
func (p *listPage) ofUser(ctx context.Context, id string) error {
	var c store.Cursor
	if err := p.begin(&c); err != nil {
		return err
	}
	l, err := p.s.layout(ctx)
	if err != nil {
		return err
	}
	keys := []string{l.OfID(p.app, id).User(id)}
	first := store.NewTopN(p.limit+1, byToken) // SSCAN may give a token twice
	for cursor := "0"; ; {
		reply, err := p.call(ctx, p.s.scripts.tokens, 2, keys,
			[]string{cursor, strconv.Itoa(scanStep), c.Token, lastOf(first)})
		if err != nil {
			return err
		}
		for token := range tokensIn(reply[1]) {
			first.Add(token)
		}
		if cursor = reply[0]; cursor == "0" {
			break
		}
	}
	tokens, more := cutTo(first.All(), p.limit)
	if more {
		c.Token = cut(tokens[len(tokens)-1])
	}
	p.end(&c, tokens, more)
	return nil
}

// cut returns what a cursor has of a token. A rotation leaves it as it is, so two
// tokens of one session are the same in the order of a list.
func cut(token string) string { return token[:store.CursorTokenLen] }

func byToken(a, b string) int { return strings.Compare(cut(a), cut(b)) }

// tokensIn yields the tokens that stand back to back in text.
func tokensIn(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for ; len(text) >= store.TokenLen; text = text[store.TokenLen:] {
			if !yield(text[:store.TokenLen]) {
				return
			}
		}
	}
}

// lastOf returns the last of first if it is full, else "": after that it takes none.
func lastOf(first *store.TopN[string]) string {
	last, _ := first.Last()
	return last
}

// cutTo returns the first limit of all, and whether those are not all.
func cutTo[T any](all []T, limit int) ([]T, bool) {
	return all[:min(limit, len(all))], len(all) > limit
}

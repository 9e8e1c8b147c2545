package list

import (
	"context"
	"fmt"
	"io"
	"strings"

	"rest-sessions/store"
)

// page first finds which sessions it holds, and then reads them chunk by chunk.
type page struct {
	reader
	list  string // its name, for the text of cursors
	limit int
	// cursor is where the page begins until find has run, and then where the next
	// one does.
	cursor string
	find   func(ctx context.Context) error
	found  bool
}

// Cursor implements store.Page.
func (p *page) Cursor() string { return p.cursor }

// Next implements store.List.
func (p *page) Next(ctx context.Context) ([]store.Session, error) {
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
func (p *page) begin(c *store.Cursor) (err error) {
	if p.cursor != "" {
		*c, err = store.ParseCursor(p.cursor, p.list)
		p.cursor = ""
	}
	return err
}

// end takes the page's tokens, and sets the cursor to go on at c if there are more.
func (p *page) end(c *store.Cursor, tokens []string, more bool) {
	p.left = tokens
	if more {
		p.cursor = c.Text(p.list)
	}
}

// findInUser finds a page of a user's tokens.
func (p *page) findInUser(ctx context.Context, id string) error {
	var c store.Cursor
	if err := p.begin(&c); err != nil {
		return err
	}
	first := store.NewTopN(p.limit+1, byToken) // SSCAN may give a token twice
	last := func() string {
		token, _ := first.Last()
		return token
	}
	if err := p.scanUser(ctx, id, c.Token, last, first.Add); err != nil {
		return err
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

// cutTo returns the first limit of all, and whether those are not all.
func cutTo[T any](all []T, limit int) ([]T, bool) {
	return all[:min(limit, len(all))], len(all) > limit
}

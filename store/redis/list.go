package redis

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"rest-sessions/store"
)

const (
	// chunkSize is how many sessions a script reads in one call: Redis is
	// held for about a third of a millisecond (a session costs it some 10 us).
	chunkSize = 32
	// chunkBytes ends a chunk of large sessions early, since a reply of
	// megabytes holds Redis too.
	chunkBytes = 128 << 10
	// wholeUser is how many sessions a user may have for all their tokens to go out in
	// one reply, of 66 KB.
	wholeUser = 1000
)

// SessionsOfID implements store.Store.
func (s *Store) SessionsOfID(_ context.Context, app, id string) store.List {
	app, id = strings.Clone(app), strings.Clone(id)
	p := &idList{id: id, cursor: "0"}
	p.begin(s, app, rotated)
	return p
}

// idList walks the set of a user's tokens: in one step, or, if it is very big, with
// SSCAN, which never misses a token that is there throughout but may give one twice,
// and may miss a session that is rotated meanwhile.
type idList struct {
	listReader
	id     string
	cursor string // "" when the set is done
}

func (p *idList) Next(ctx context.Context) ([]store.Session, error) {
	for {
		var found []store.Session
		var err error
		switch {
		case len(p.left) > 0:
			found, err = p.read(ctx)
		case p.cursor != "":
			found, err = p.scan(ctx)
		case len(p.missing) > 0:
			err = p.findRotated(ctx)
		default:
			return nil, io.EOF
		}
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
}

// scan reads the next chunk of the set.
func (p *idList) scan(ctx context.Context) ([]store.Session, error) {
	l, err := p.s.layout(ctx)
	if err != nil {
		return nil, err
	}
	of := l.OfID(p.app, p.id)
	reply, err := p.throttle.Run(ctx, p.s.client, p.s.scripts.soid, []string{of.User(p.id)},
		[]string{of.Prefix, p.cursor, strconv.Itoa(chunkSize), strconv.Itoa(chunkBytes), strconv.Itoa(wholeUser)})
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
	if cursor != "" { // else the set is all in this reply
		p.seen.by = everyone
	}
	p.cursor = cursor
	p.left = tokens[len(texts):]
	found := make([]store.Session, 0, len(texts))
	for i := range texts {
		if found, err = appendSession(found, tokens[i], texts[i], &p.seen); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// findRotated finds the sessions of missing among the user's present tokens.
func (p *idList) findRotated(ctx context.Context) error {
	l, err := p.s.layout(ctx)
	if err != nil {
		return err
	}
	missing := p.takeMissing()
	keys := []string{l.OfID(p.app, p.id).User(p.id)}
	for cursor := "0"; ; {
		reply, err := p.call(ctx, p.s.scripts.tokens, 2, keys, []string{cursor, strconv.Itoa(scanStep), "", ""})
		if err != nil {
			return err
		}
		for token := range tokensIn(reply[1]) {
			if store.ValidToken(token) && missing.has(store.PackToken(token)) {
				p.left = append(p.left, token)
			}
		}
		if cursor = reply[0]; cursor == "0" {
			return nil
		}
	}
}

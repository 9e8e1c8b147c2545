package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// listReader reads the sessions of a list, by their tokens, in chunks.
type listReader struct {
	s        *Store
	app      string
	throttle wire.Throttle
	seen     seenSet
	left     []string // tokens still to be read, of which there must be one for read
	// since is when it began; missing are tokens without a session: see noteMissing.
	since   time.Time
	missing []tokenHead
}

// begin sets up a list; by says which of its sessions could come twice.
func (r *listReader) begin(s *Store, app string, by remember) {
	r.s, r.app, r.seen = s, app, seenSet{by: by, onMissing: r.noteMissing}
	r.since = s.client.Clock.Now()
}

// aliasLife is how long after a rotation Redis keeps what leads from the old token
// to the new one, at least: alias_seconds of alias.lua, less the one for the fraction.
const aliasLife = store.MaxGrace * time.Second

// noteMissing notes a token without a session, if the list has been read for long. The
// session has ended; or it was rotated since the list began, and its alias has expired.
func (r *listReader) noteMissing(token string) {
	if r.s.client.Clock.Now().Sub(r.since) >= aliasLife && store.ValidToken(token) {
		r.missing = append(r.missing, headOf(store.PackToken(token)))
	}
}

// takeMissing returns missing and empties it.
func (r *listReader) takeMissing() heads {
	missing := newHeads(r.missing)
	r.missing = nil
	return missing
}

// read reads a chunk from the head of left, takes it off, and returns those sessions of
// it that are alive.
func (r *listReader) read(ctx context.Context) ([]store.Session, error) {
	l, err := r.s.layout(ctx)
	if err != nil {
		return nil, err
	}
	chunk := r.left[:min(len(r.left), chunkSize)]
	var texts []string
	if l.Sharded() {
		texts, err = r.textsSpread(ctx, l, chunk)
	} else {
		texts, err = r.texts(ctx, l, chunk)
	}
	if err != nil {
		return nil, err
	}
	r.left = r.left[len(texts):]
	return appendSessions(make([]store.Session, 0, len(texts)), chunk, texts, &r.seen)
}

// texts returns what the script sessions says of a chunk's tokens, or the first of them.
func (r *listReader) texts(ctx context.Context, l layout.Layout, chunk []string) ([]string, error) {
	keys := make([]string, len(chunk))
	of := l.Buckets(r.app)[0] // of one Redis
	for i, token := range chunk {
		keys[i] = of.Session(token)
	}
	reply, err := r.throttle.Run(ctx, r.s.client, r.s.scripts.sessions, keys, []string{strconv.Itoa(chunkBytes)})
	if err != nil {
		return nil, err
	}
	texts, err := reply.AsStrSlice()
	if err != nil || len(texts) == 0 || len(texts) > len(chunk) {
		return nil, fmt.Errorf("%w: sessions: %v", errReply, err)
	}
	return texts, nil
}

// appendSessions appends the sessions that texts, replies for tokens, render,
// without those that are none.
func appendSessions(found []store.Session, tokens, texts []string, m *seenSet) (_ []store.Session, err error) {
	for i, text := range texts {
		if found, err = appendSession(found, tokens[i], text, m); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// appendSession appends the session that text, a reply for token, renders, if there
// is one that was not seen before.
func appendSession(found []store.Session, token, text string, m *seenSet) ([]store.Session, error) {
	session, rest, err := cutSession(text)
	switch {
	case err != nil && err != store.ErrNotFound:
		return nil, err
	case rest != "":
		return nil, fmt.Errorf("%w: %d bytes after the session", errReply, len(rest))
	case err != nil:
		if m.onMissing != nil {
			m.onMissing(token)
		}
		return found, nil
	case m.add(token, session.First):
		return found, nil
	}
	if session.First == "" {
		session.First = token
	}
	return append(found, session), nil
}

// call runs a script that returns so many texts or numbers.
func (r *listReader) call(ctx context.Context, script *wire.Script, n int, keys, args []string) ([]string, error) {
	reply, err := r.throttle.Run(ctx, r.s.client, script, keys, args)
	if err != nil {
		return nil, err
	}
	parts, err := reply.ToArray()
	if err != nil || len(parts) != n {
		return nil, fmt.Errorf("%w: %d parts expected: %v", errReply, n, err)
	}
	texts := make([]string, n)
	for i := range parts {
		if parts[i].IsInt64() {
			number, _ := parts[i].ToInt64()
			texts[i] = strconv.FormatInt(number, 10)
		} else if texts[i], err = parts[i].ToString(); err != nil {
			return nil, fmt.Errorf("%w: %w", errReply, err)
		}
	}
	return texts, nil
}

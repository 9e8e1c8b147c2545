package list

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
	"rest-sessions/store/redis/internal/wire"
)

// reader reads the sessions of a list by their tokens, chunk by chunk.
type reader struct {
	*Source
	app      string
	throttle wire.Throttle
	left     []string // tokens still to be read
	seen     seenSet
	// began is when the list began, by our clock; missing are tokens without a session:
	// see noteMissing.
	began   time.Time
	missing []tokenHead
}

// reader begins a list; by says which of its sessions could come twice.
func (s *Source) reader(app string, by remember) reader {
	return reader{Source: s, app: strings.Clone(app), seen: seenSet{by: by}, began: s.Client.Clock.Now()}
}

// read takes a chunk of tokens off left, of which there must be one, and returns those of
// their sessions that are alive.
func (r *reader) read(ctx context.Context) ([]store.Session, error) {
	l, err := r.Client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	tokens := r.left[:min(len(r.left), ChunkSize)]
	var texts []string
	if l.Sharded() {
		texts, err = r.textsOfBuckets(ctx, l, tokens)
	} else {
		texts, err = r.texts(ctx, l, tokens)
	}
	if err != nil {
		return nil, err
	}
	r.left = r.left[len(texts):]
	return r.sessions(tokens, texts)
}

// texts returns what the script sessions says of tokens, or of the first of them.
func (r *reader) texts(ctx context.Context, l layout.Layout, tokens []string) ([]string, error) {
	keys := make([]string, len(tokens))
	of := l.Buckets(r.app)[0] // of one Redis
	for i, token := range tokens {
		keys[i] = of.Session(token)
	}
	said, err := r.throttle.Run(ctx, r.Client, r.Sessions, keys, []string{strconv.Itoa(ChunkBytes)})
	if err != nil {
		return nil, err
	}
	texts, err := said.AsStrSlice()
	if err != nil || len(texts) == 0 || len(texts) > len(tokens) {
		return nil, fmt.Errorf("%w: sessions: %v", reply.ErrMalformed, err)
	}
	return texts, nil
}

// textsOfBuckets is texts for the sharded layout: a script call for each bucket that a
// token is in, all in one go.
func (r *reader) textsOfBuckets(ctx context.Context, l layout.Layout, tokens []string) ([]string, error) {
	var calls []wire.Command
	callOf := map[string]int{} // by the prefix of its bucket
	at := make([][2]int, len(tokens))
	for i, token := range tokens {
		b := l.OfToken(r.app, token)
		k, ok := callOf[b.Prefix]
		if !ok {
			k = len(calls)
			callOf[b.Prefix] = k
			calls = append(calls, wire.Command{Script: r.Sessions})
		}
		at[i] = [2]int{k, len(calls[k].Keys)}
		calls[k].Keys = append(calls[k].Keys, b.Session(token))
	}
	budget := []string{strconv.Itoa(ChunkBytes / len(calls))}
	for k := range calls {
		calls[k].Args = budget
	}
	replies, err := r.throttle.RunAll(ctx, r.Client, calls)
	if err != nil {
		return nil, err
	}
	texts := make([][]string, len(calls))
	for k := range replies {
		texts[k], err = replies[k].AsStrSlice()
		if err != nil || len(texts[k]) == 0 {
			return nil, fmt.Errorf("%w: sessions: %v", reply.ErrMalformed, err)
		}
		texts[k] = texts[k][:min(len(texts[k]), len(calls[k].Keys))] // without the key of Guard
	}
	// Up to the first that its bucket's reply had no room for. What other buckets say
	// of later ones is read again.
	inOrder := make([]string, 0, len(tokens))
	for _, a := range at {
		if a[1] >= len(texts[a[0]]) {
			break
		}
		inOrder = append(inOrder, texts[a[0]][a[1]])
	}
	return inOrder, nil
}

// sessions returns the sessions that texts, replies for the first of tokens, render,
// without those that are none and those seen before.
func (r *reader) sessions(tokens, texts []string) ([]store.Session, error) {
	found := make([]store.Session, 0, len(texts))
	for i, text := range texts {
		session, rest, err := reply.CutSession(text)
		switch {
		case err != nil && err != store.ErrNotFound:
			return nil, err
		case rest != "":
			return nil, fmt.Errorf("%w: %d bytes after the session", reply.ErrMalformed, len(rest))
		case err != nil:
			r.noteMissing(tokens[i])
			continue
		case r.seen.add(tokens[i], session.First):
			continue
		}
		if session.First == "" {
			session.First = tokens[i]
		}
		found = append(found, session)
	}
	return found, nil
}

// aliasLife is how long after a rotation Redis keeps what leads from the old token
// to the new one, at least: alias_seconds of alias.lua, less the one for the fraction.
const aliasLife = store.MaxGrace * time.Second

// noteMissing notes a token without a session, if the list has been read for long. The
// session has ended; or it was rotated since the list began, and its alias has expired.
func (r *reader) noteMissing(token string) {
	if r.Client.Clock.Now().Sub(r.began) >= aliasLife && store.ValidToken(token) {
		r.missing = append(r.missing, headOf(store.PackToken(token)))
	}
}

// takeMissing returns missing and empties it.
func (r *reader) takeMissing() heads {
	missing := newHeads(r.missing)
	r.missing = nil
	return missing
}

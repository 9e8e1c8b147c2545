package redis

import (
	"context"
	"slices"
	"strconv"

	"rest-sessions/store"
)

func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, "", d)
}

func (s *Store) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, strconv.FormatInt(w, 10), d)
}

func (s *Store) set(ctx context.Context, app, token, w string, d store.Data) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	b := l.OfToken(app, token)
	key := b.Session(token)
	return s.merge(ctx, []string{key, b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Token(key), b.Cache(), s.eviction.flag(), w}, token, d)
}

func appendFields(args []string, d store.Data) []string {
	text := d.Text()
	args = slices.Grow(args, 2*len(d))
	pos := len("{")
	for _, f := range d {
		value := pos + len(f.Key) + len(":")
		args = append(args, text[pos:pos+len(f.Key)], text[value:value+len(f.Value)])
		pos = value + len(f.Value) + len(",")
	}
	return args
}

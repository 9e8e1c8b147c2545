package redis

import (
	"context"
	"fmt"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/reply"
)

func (s *Store) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return "", store.Details{}, err
	}
	b := l.OfToken(app, token)
	ctx, done, err := s.countLate(ctx, l, b, app, token)
	if err != nil {
		return "", store.Details{}, err
	}
	defer done()
	key, freshKey := b.Session(token), b.Session(fresh)
	message, err := s.client.Run(ctx, s.scripts.rotate,
		[]string{key, freshKey, b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Token(key), b.Token(freshKey), strconv.FormatInt(grace, 10), b.Cache(), s.eviction.flag()})
	s.changed(b, app, token, false)
	if err != nil {
		return "", store.Details{}, err
	}
	text, err := message.ToString()
	switch {
	case err != nil:
		return "", store.Details{}, fmt.Errorf("%w: rotate: %w", errReply, err)
	case text == "":
		return "", store.Details{}, store.ErrNotFound
	case len(text) < store.TokenLen || !store.ValidToken(text[:store.TokenLen]):
		return "", store.Details{}, fmt.Errorf("%w: rotate: no token", errReply)
	}
	now := text[:store.TokenLen]
	s.changed(b, app, now, false) // token was an old one, if now is not fresh
	session, err := reply.Session(text[store.TokenLen:], now)
	return now, session.Details, err
}

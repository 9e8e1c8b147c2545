package redis

import (
	"context"

	"rest-sessions/store"
)

func (s *Store) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	b := l.OfToken(app, token)
	ctx, done, err := s.countLate(ctx, l, b, app, token)
	if err != nil {
		return store.Session{}, err
	}
	defer done()
	reply, err := s.client.RunBatched(ctx, s.scripts.touch,
		[]string{b.Session(token), b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Cache(), s.eviction.flag(), text(ttl), text(maxAge)})
	session, more, err := replyIn(reply, err, token)
	s.changed(b, app, token, more.OldToken)
	return session, err
}

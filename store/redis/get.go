package redis

import (
	"context"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

func (s *Store) Get(ctx context.Context, app, token string) (store.Session, error) {
	if s.near != nil {
		session, err := s.GetWith(ctx, app, token)
		session.Details = store.Details{}
		return session, err
	}
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	if !l.Sharded() {
		return s.readers[layout.ClassicGroup].plain.get(ctx, l, layout.Bucket{}, app, token)
	}
	b := l.OfToken(app, token)
	return s.readers[layout.GroupOfSlot(b.Slot)].plain.get(ctx, l, b, app, token)
}

func (s *Store) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	if s.near != nil && ctx.Err() == nil {
		if session, ok := s.near.Get(app, token); ok {
			return session, nil
		}
	}
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	if !l.Sharded() {
		return s.readers[layout.ClassicGroup].detailed.get(ctx, l, layout.Bucket{}, app, token)
	}
	b := l.OfToken(app, token)
	return s.readers[layout.GroupOfSlot(b.Slot)].detailed.get(ctx, l, b, app, token)
}

func (s *Store) Peek(ctx context.Context, app, token string) (store.Session, error) {
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
	key := b.Session(token)
	reply, err := s.client.RunBatched(ctx, s.scripts.peek, []string{key}, nil)
	return sessionIn(reply, err, token)
}

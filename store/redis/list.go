package redis

import (
	"context"

	"rest-sessions/store"
)

func (s *Store) SessionsOfApp(_ context.Context, app string, dt int64) store.List {
	return s.lists.OfApp(app, dt)
}

func (s *Store) SessionsOfID(_ context.Context, app, id string) store.List {
	return s.lists.OfID(app, id)
}

func (s *Store) PageOfApp(_ context.Context, app string, dt int64, limit int, cursor string) store.Page {
	return s.lists.PageOfApp(app, dt, limit, cursor)
}

func (s *Store) PageOfID(_ context.Context, app, id string, limit int, cursor string) store.Page {
	return s.lists.PageOfID(app, id, limit, cursor)
}

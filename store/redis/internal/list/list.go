// Package list reads the lists of an app's and of a user's sessions from Redis, whole or
// page by page. A scan finds tokens, a few in each script call, and a reader reads their
// sessions. Lists are throttled, so that Redis keeps at least half of its time.
package list

import (
	"context"
	"strings"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

const (
	// ChunkSize is how many sessions a script reads in one call: Redis is held for
	// about a third of a millisecond (a session costs it some 10 us).
	ChunkSize = 32
	// ChunkBytes ends a chunk of large sessions early, since a reply of megabytes holds
	// Redis too.
	ChunkBytes = 128 << 10
	// WholeUser is how many sessions a user may have for all their tokens to go out in
	// one reply, of 66 KB.
	WholeUser = 1000
)

// Source is what lists are read from: a Redis, and the scripts of store/redis/lua that
// are named as the fields.
type Source struct {
	Client                       *wire.Client
	Scan, Sessions, Soid, Tokens *wire.Script
}

// OfApp is store.Store's SessionsOfApp.
func (s *Source) OfApp(app string, dt int64) store.List {
	return &appList{reader: s.reader(app, nobody), dt: dt}
}

// OfID is store.Store's SessionsOfID.
func (s *Source) OfID(app, id string) store.List {
	return &userList{reader: s.reader(app, rotated), id: strings.Clone(id), cursor: "0"}
}

// PageOfApp is store.Store's.
func (s *Source) PageOfApp(app string, dt int64, limit int, cursor string) store.Page {
	p := &page{reader: s.reader(app, rotated), limit: limit, cursor: strings.Clone(cursor)}
	p.list = store.ListOfApp(p.app)
	p.find = func(ctx context.Context) error { return p.findInApp(ctx, dt) }
	return p
}

// PageOfID is store.Store's.
func (s *Source) PageOfID(app, id string, limit int, cursor string) store.Page {
	p := &page{reader: s.reader(app, rotated), limit: limit, cursor: strings.Clone(cursor)}
	id = strings.Clone(id)
	p.list = store.ListOfID(p.app, id)
	p.find = func(ctx context.Context) error { return p.findInUser(ctx, id) }
	return p
}

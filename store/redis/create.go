package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"rest-sessions/store"
)

// createTime is how long the start of a session holds Redis, beside its data.
const createTime = 15 * time.Microsecond

// createArgs are the arguments that create.lua begins with.
func (s *Store) createArgs(args []string, channel string) []string {
	return append(args, channel, strconv.Itoa(limitLook), strconv.Itoa(stepSize))
}

func (s *Store) Create(ctx context.Context, app, token string, n store.New) (store.Details, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Details{}, err
	}
	d := ""
	if len(n.Data) > 0 {
		d, _ = n.Data.Merge("")
	}
	if store.TooLarge("", d, s.maxData) {
		return store.Details{}, store.ErrTooLarge
	}
	b := l.OfToken(app, token)
	if l.Sharded() {
		if err := s.registry.Register(ctx, s.client, b.App); err != nil {
			return store.Details{}, err
		}
	}
	key := b.Session(token)
	token = b.Token(key)
	user := b.User(n.ID)
	id, ip := user[len(user)-len(n.ID):], strings.Clone(n.IP)
	noResave := ""
	if n.NoResave {
		noResave = "1"
	}
	takes := createTime + 2*time.Duration(len(d))*time.Nanosecond
	if n.MaxSessions > 0 {
		takes = callTime // alone in its call, as create.lua asks
	}
	w := s.writersOf(l, b).creates
	create := func() (int64, error) {
		q := w.new(b, takes)
		q.keys = append(q.keys, key, user)
		q.args = append(q.args, id, ip, strconv.FormatInt(n.TTL, 10), noResave, d, text(n.MaxAge), text(int64(n.MaxSessions)))
		reply, err := w.do(ctx, q)
		if err != nil {
			return 0, err
		}
		return numberOf(reply)
	}
	var now int64
	if n.MaxSessions > 0 {
		now, err = s.createWithin(ctx, l, b, id, n.MaxSessions, create)
	} else {
		now, err = create()
	}
	if err != nil {
		return store.Details{}, err
	}
	life := n.TTL
	if n.MaxAge > 0 {
		life = min(life, n.MaxAge)
	}
	return store.Details{First: token, Created: now, Expires: now + life}, nil
}

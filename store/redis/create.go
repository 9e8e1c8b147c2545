package redis

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

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
	id, ip := strings.Clone(n.ID), strings.Clone(n.IP)
	noResave := ""
	if n.NoResave {
		noResave = "1"
	}
	maxAge := ""
	if n.MaxAge > 0 {
		maxAge = strconv.FormatInt(n.MaxAge, 10)
	}
	keys := []string{key, b.Sessions(), b.Users(), b.Wipe, b.User(id)}
	args := []string{b.App, token, id, ip, strconv.FormatInt(n.TTL, 10), noResave, d, maxAge}
	var now int64
	if n.MaxSessions > 0 {
		now, err = s.createWithin(ctx, l, b, id, n.MaxSessions, keys, args)
	} else {
		var reply rueidis.RedisMessage
		if reply, err = s.client.RunBatched(ctx, s.scripts.create, keys, append(args, "")); err == nil {
			now, err = numberOf(reply)
		}
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

package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, app, token string, n store.New) error {
	l, err := s.layout(ctx)
	if err != nil {
		return err
	}
	d := ""
	if len(n.Data) > 0 {
		d, _ = n.Data.Merge("")
	}
	if store.TooLarge("", d, s.maxData) {
		return store.ErrTooLarge
	}
	p := l.ofToken(app, token)
	if l.sharded() {
		if err := s.register(ctx, p.app); err != nil {
			return err
		}
	}
	key := p.session(token)
	token = p.token(key)
	id, ip := strings.Clone(n.ID), strings.Clone(n.IP)
	noResave := ""
	if n.NoResave {
		noResave = "1"
	}
	maxAge := ""
	if n.MaxAge > 0 {
		maxAge = strconv.FormatInt(n.MaxAge, 10)
	}
	keys := []string{key, p.sessions(), p.users(), p.wipe, p.user(id)}
	args := []string{p.app, token, id, ip, strconv.FormatInt(n.TTL, 10), noResave, d, maxAge}
	if n.MaxSessions > 0 {
		return s.createWithin(ctx, l, p, id, n.MaxSessions, keys, args)
	}
	_, err = s.brief(ctx, s.scripts.create, keys, append(args, ""))
	return err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, app, token string) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	if !l.sharded() {
		return s.reader.get(ctx, l, part{}, app, token)
	}
	p := l.ofToken(app, token)
	return s.zones[zoneOfSlot(p.slot)].reader.get(ctx, l, p, app, token)
}

// Set implements store.Store.
func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	p := l.ofToken(app, token)
	key := p.session(token)
	return s.merge(ctx, []string{key, p.sessions(), p.users(), p.wipe},
		[]string{p.app, p.token(key), l.cache(), s.eviction.flag()}, d)
}

// appendFields appends keys and values by turns, copied, all with one allocation.
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

// Kill implements store.Store.
func (s *Store) Kill(ctx context.Context, app, token string) (bool, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return false, err
	}
	p := l.ofToken(app, token)
	key := p.session(token)
	reply, err := s.brief(ctx, s.scripts.kill,
		[]string{key, p.sessions(), p.users(), p.wipe},
		[]string{p.app, p.token(key), p.prefix, l.cache()})
	if err != nil {
		return false, err
	}
	n, err := reply.ToInt64()
	if err != nil {
		return false, fmt.Errorf("%w: %w", errReply, err)
	}
	return n > 0, nil
}

// KillID implements store.Store.
func (s *Store) KillID(ctx context.Context, app, id, except string) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	id = strings.Clone(id)
	p := l.ofID(app, id)
	keys := []string{p.user(id), p.sessions(), p.users(), p.wipe}
	kept := strings.Clone(except)
	var pace pace
	for killed := int64(0); ; {
		// Each page has arguments of its own, since those of the last may still be read.
		args := []string{p.app, id, p.prefix, l.cache(), strconv.Itoa(pageSize), kept}
		reply, err := pace.exec(ctx, s, s.scripts.killsoid, keys, args)
		if err != nil {
			return 0, err
		}
		parts, err := reply.ToArray()
		if err != nil || len(parts) != 3 {
			return 0, fmt.Errorf("%w: killsoid: %v", errReply, err)
		}
		n, err1 := parts[0].ToInt64()
		more, err2 := parts[1].ToInt64()
		token, err3 := parts[2].ToString()
		if err := cmp.Or(err1, err2, err3); err != nil {
			return 0, fmt.Errorf("%w: killsoid: %w", errReply, err)
		}
		kept = token
		if killed += n; more == 0 {
			return killed, nil
		}
	}
}

// Rotate implements store.Store.
func (s *Store) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return "", err
	}
	p := l.ofToken(app, token)
	key, freshKey := p.session(token), p.session(fresh)
	reply, err := s.exec(ctx, s.scripts.rotate,
		[]string{key, freshKey, p.sessions(), p.users(), p.wipe},
		[]string{p.app, p.token(key), p.token(freshKey), strconv.FormatInt(grace, 10), l.cache(), s.eviction.flag()})
	if err != nil {
		return "", err
	}
	now, err := reply.ToString()
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: rotate: %w", errReply, err)
	case now == "":
		return "", store.ErrNotFound
	case !store.ValidToken(now):
		return "", fmt.Errorf("%w: rotate: no token", errReply)
	}
	return now, nil
}

// brief runs a script that is short and that a client waits for, on the node of its
// first key. For the arguments see exec.
func (s *Store) brief(ctx context.Context, script *script, keys, args []string) (rueidis.RedisMessage, error) {
	return s.zones[s.zoneOf(keys[0])].pipeline.exec(ctx, script, s.whole(keys), args)
}

// count runs a script that returns a number.
func (s *Store) count(ctx context.Context, script *script, keys, args []string) (int64, error) {
	reply, err := s.exec(ctx, script, keys, args)
	if err != nil {
		return 0, err
	}
	n, err := reply.ToInt64()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errReply, err)
	}
	return n, nil
}

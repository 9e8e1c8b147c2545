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
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// Create implements store.Store.
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
		if err := s.register(ctx, b.App); err != nil {
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

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, app, token string) (store.Session, error) {
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

// GetWith implements store.Store.
func (s *Store) GetWith(ctx context.Context, app, token string) (store.Session, error) {
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

// Peek implements store.Store.
func (s *Store) Peek(ctx context.Context, app, token string) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	key := l.OfToken(app, token).Session(token)
	reply, err := s.client.RunBatched(ctx, s.scripts.peek, []string{key}, nil)
	return sessionIn(reply, err, token)
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	b := l.OfToken(app, token)
	reply, err := s.client.RunBatched(ctx, s.scripts.touch,
		[]string{b.Session(token), b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, l.Cache(), s.eviction.flag(), text(ttl), text(maxAge)})
	return sessionIn(reply, err, token)
}

// sessionIn reads a reply that is the session with the token.
func sessionIn(reply rueidis.RedisMessage, err error, token string) (store.Session, error) {
	if err != nil {
		return store.Session{}, err
	}
	text, err := reply.ToString()
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: %w", errReply, err)
	}
	return parseSession(text, token)
}

// Set implements store.Store.
func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, "", d)
}

// SetIf implements store.Store.
func (s *Store) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, strconv.FormatInt(w, 10), d)
}

// set is SetIf; w is "" for any.
func (s *Store) set(ctx context.Context, app, token, w string, d store.Data) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	b := l.OfToken(app, token)
	key := b.Session(token)
	return s.merge(ctx, []string{key, b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Token(key), l.Cache(), s.eviction.flag(), w}, token, d)
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
	b := l.OfToken(app, token)
	key := b.Session(token)
	reply, err := s.client.RunBatched(ctx, s.scripts.kill,
		[]string{key, b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Token(key), b.Prefix, l.Cache()})
	if err != nil {
		return false, err
	}
	n, err := numberOf(reply)
	return n > 0, err
}

const (
	// handlePage is how many sessions of a user are looked at for a handle at once:
	// Redis is held for half a millisecond (one costs it 2 us).
	handlePage = 256
	// handleWalks is how often all of a user's sessions are looked at, where they are
	// not one page: one that is rotated during a walk may be missed by it.
	handleWalks = 2
)

// KillHandle implements store.Store.
func (s *Store) KillHandle(ctx context.Context, app, id, handle string) (bool, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return false, err
	}
	id = strings.Clone(id)
	b := l.OfID(app, id)
	keys := []string{b.User(id), b.Sessions(), b.Users(), b.Wipe}
	hash := store.HandleHash(handle)
	var throttle wire.Throttle
	for walk, cursor, steps := 0, "0", 1; ; steps++ {
		args := []string{b.App, id, b.Prefix, l.Cache(), hash, store.HandleDomain, cursor, strconv.Itoa(handlePage)}
		reply, err := throttle.Run(ctx, s.client, s.scripts.killhandle, keys, args)
		if err != nil {
			return false, err
		}
		parts, err := reply.ToArray()
		if err != nil || len(parts) != 2 {
			return false, fmt.Errorf("%w: killhandle: %v", errReply, err)
		}
		n, err1 := parts[0].ToInt64()
		next, err2 := parts[1].ToString()
		if err := cmp.Or(err1, err2); err != nil {
			return false, fmt.Errorf("%w: killhandle: %w", errReply, err)
		}
		if cursor = next; n > 0 {
			return true, nil
		}
		if cursor == "0" {
			if walk++; steps == 1 || walk == handleWalks {
				return false, nil
			}
		}
	}
}

// KillID implements store.Store.
func (s *Store) KillID(ctx context.Context, app, id, except string) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	id = strings.Clone(id)
	b := l.OfID(app, id)
	keys := []string{b.User(id), b.Sessions(), b.Users(), b.Wipe}
	kept := strings.Clone(except)
	var throttle wire.Throttle
	for killed := int64(0); ; {
		// Each page has arguments of its own, since those of the last may still be read.
		args := []string{b.App, id, b.Prefix, l.Cache(), strconv.Itoa(pageSize), kept}
		reply, err := throttle.Run(ctx, s.client, s.scripts.killsoid, keys, args)
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
func (s *Store) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return "", store.Details{}, err
	}
	b := l.OfToken(app, token)
	key, freshKey := b.Session(token), b.Session(fresh)
	reply, err := s.client.Run(ctx, s.scripts.rotate,
		[]string{key, freshKey, b.Sessions(), b.Users(), b.Wipe},
		[]string{b.App, b.Token(key), b.Token(freshKey), strconv.FormatInt(grace, 10), l.Cache(), s.eviction.flag()})
	if err != nil {
		return "", store.Details{}, err
	}
	text, err := reply.ToString()
	switch {
	case err != nil:
		return "", store.Details{}, fmt.Errorf("%w: rotate: %w", errReply, err)
	case text == "":
		return "", store.Details{}, store.ErrNotFound
	case len(text) < store.TokenLen || !store.ValidToken(text[:store.TokenLen]):
		return "", store.Details{}, fmt.Errorf("%w: rotate: no token", errReply)
	}
	now := text[:store.TokenLen]
	session, err := parseSession(text[store.TokenLen:], now)
	return now, session.Details, err
}

// count runs a script that returns a number.
func (s *Store) count(ctx context.Context, script *wire.Script, keys, args []string) (int64, error) {
	reply, err := s.client.Run(ctx, script, keys, args)
	if err != nil {
		return 0, err
	}
	return numberOf(reply)
}

// numberOf reads a reply that is a number.
func numberOf(reply rueidis.RedisMessage) (int64, error) {
	n, err := reply.ToInt64()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errReply, err)
	}
	return n, nil
}

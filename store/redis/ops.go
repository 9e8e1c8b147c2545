package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"rest-sessions/store"
)

// pageSize is how many sessions a script removes in one call: Redis is held for
// about half a millisecond, a millisecond where all scores are the same (a removal
// costs it 12 to 28 us among 100,000 sessions).
const pageSize = 32

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, app, token string, n store.New) error {
	key := s.keys.session(app, token)
	app, token = s.own(key, app)
	id, ip := strings.Clone(n.ID), strings.Clone(n.IP)
	d := ""
	if len(n.Data) > 0 {
		d, _ = n.Data.Merge("")
	}
	noResave := ""
	if n.NoResave {
		noResave = "1"
	}
	maxAge := ""
	if n.MaxAge > 0 {
		maxAge = strconv.FormatInt(n.MaxAge, 10)
	}
	keys := []string{key, s.keys.sessions(app), s.keys.users(app), s.keys.wipe(), s.keys.user(app, id)}
	args := []string{app, token, id, ip, strconv.FormatInt(n.TTL, 10), noResave, d, maxAge}
	if n.MaxSessions > 0 {
		return s.createWithin(ctx, app, id, n.MaxSessions, keys, args)
	}
	_, err := s.pipeline.exec(ctx, s.scripts.create, keys, append(args, ""))
	return err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, app, token string) (store.Session, error) {
	return s.reader.get(ctx, app, token)
}

// Set implements store.Store.
func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	key := s.keys.session(app, token)
	app, token = s.own(key, app)
	reply, err := s.pipeline.exec(ctx, s.scripts.set,
		[]string{key, s.keys.sessions(app), s.keys.users(app), s.keys.wipe()},
		[]string{app, token, s.keys.cache(), d.Text()})
	if err != nil {
		return store.Session{}, err
	}
	text, err := reply.ToString()
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: %w", errReply, err)
	}
	return parseSession(text)
}

// Activity implements store.Store.
func (s *Store) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	app = strings.Clone(app)
	keys := []string{s.keys.users(app)}
	args := []string{s.keys.prefix(app), strconv.FormatInt(dt, 10), strconv.Itoa(listPageSize)}
	for {
		reply, err := s.exec(ctx, s.scripts.activity, keys, args)
		if err != nil {
			return 0, err
		}
		parts, err := reply.ToArray()
		if err != nil || len(parts) != 4 {
			return 0, fmt.Errorf("%w: activity: %v", errReply, err)
		}
		n, err0 := parts[0].ToInt64()
		since, err1 := parts[1].ToString()
		score, err2 := parts[2].ToString()
		member, err3 := parts[3].ToString()
		if err := cmp.Or(err0, err1, err2, err3); err != nil {
			return 0, fmt.Errorf("%w: activity: %w", errReply, err)
		}
		if n >= 0 {
			return n, nil
		}
		args = append(args[:3:3], since, score, member)
	}
}

// Kill implements store.Store.
func (s *Store) Kill(ctx context.Context, app, token string) (bool, error) {
	key := s.keys.session(app, token)
	app, token = s.own(key, app)
	reply, err := s.pipeline.exec(ctx, s.scripts.kill,
		[]string{key, s.keys.sessions(app), s.keys.users(app), s.keys.wipe()},
		[]string{app, token, s.keys.prefix(app), s.keys.cache()})
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
	app, id = strings.Clone(app), strings.Clone(id)
	keys := []string{s.keys.user(app, id), s.keys.sessions(app), s.keys.users(app), s.keys.wipe()}
	kept := strings.Clone(except)
	for killed := int64(0); ; {
		// Each page has arguments of its own, since those of the last may still be read.
		args := []string{app, id, s.keys.prefix(app), s.keys.cache(), strconv.Itoa(pageSize), kept}
		reply, err := s.exec(ctx, s.scripts.killsoid, keys, args)
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
	key := s.keys.session(app, token)
	app, token = s.own(key, app)
	fresh = strings.Clone(fresh)
	reply, err := s.exec(ctx, s.scripts.rotate,
		[]string{key, s.keys.session(app, fresh), s.keys.sessions(app), s.keys.users(app), s.keys.wipe()},
		[]string{app, token, fresh, strconv.FormatInt(grace, 10), s.keys.cache()})
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

// KillApp implements store.Store.
func (s *Store) KillApp(ctx context.Context, app string) (int64, error) {
	app = strings.Clone(app)
	keys := []string{s.keys.sessions(app), s.keys.users(app), s.keys.wipe()}
	args := []string{app, s.keys.prefix(app), s.keys.cache(), strconv.Itoa(pageSize)}
	for killed := int64(0); ; {
		n, err := s.count(ctx, s.scripts.killall, keys, args)
		if err != nil {
			return 0, err
		}
		if killed += n; n < pageSize {
			return killed, nil
		}
	}
}

// Wipe implements store.Store.
func (s *Store) Wipe(ctx context.Context) (int64, error) {
	keys := []string{s.keys.wipe()}
	args := []string{s.keys.ns, s.keys.cache(), strconv.Itoa(pageSize)}
	for wiped := int64(0); ; {
		n, err := s.pair(ctx, s.scripts.wipe, keys, args)
		if err != nil {
			return wiped, err
		}
		if wiped += n[0]; n[1] < pageSize {
			return wiped, nil
		}
	}
}

// own returns the app and the token that stand in a session's key, whose memory
// is ours.
func (s *Store) own(key, app string) (string, string) {
	end := len(s.keys.ns) + len(app)
	return key[len(s.keys.ns):end], key[end+1:]
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

// pair runs a script that returns two numbers.
func (s *Store) pair(ctx context.Context, script *script, keys, args []string) ([2]int64, error) {
	reply, err := s.exec(ctx, script, keys, args)
	if err != nil {
		return [2]int64{}, err
	}
	n, err := reply.AsIntSlice()
	if err != nil || len(n) != 2 {
		return [2]int64{}, fmt.Errorf("%w: two numbers expected: %v", errReply, err)
	}
	return [2]int64(n), nil
}

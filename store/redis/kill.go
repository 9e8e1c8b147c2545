package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// killTime is how long a kill holds Redis.
const killTime = 10 * time.Microsecond

// killArgs are the arguments that kill.lua begins with.
func (s *Store) killArgs(args []string, channel string) []string { return append(args, channel) }

func (s *Store) Kill(ctx context.Context, app, token string) (bool, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return false, err
	}
	b := l.OfToken(app, token)
	n, err := s.kill(ctx, l, b, token)
	s.changed(b, app, token, n == killedByOldToken)
	return n > 0, err
}

func (s *Store) kill(ctx context.Context, l layout.Layout, b layout.Bucket, token string) (int64, error) {
	w := s.writersOf(l, b).kills
	q := w.new(b, killTime)
	q.keys = append(q.keys, b.Session(token))
	reply, err := w.do(ctx, q)
	if err != nil {
		return 0, err
	}
	return numberOf(reply)
}

// killedByOldToken is what kill.lua returns for a session that has another token by now.
const killedByOldToken = 2

const (
	// handleStep is how many sessions of a user are looked at for a handle at once:
	// Redis is held for half a millisecond (one costs it 2 us).
	handleStep = 256
	// handleScans is how often a user's sessions are scanned if they take more than one
	// step: a scan may miss a session that is rotated meanwhile.
	handleScans = 2
)

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
	for scans, cursor, steps := 0, "0", 1; ; steps++ {
		args := []string{b.App, id, b.Prefix, b.Cache(), hash, store.HandleDomain, cursor, strconv.Itoa(handleStep)}
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
			s.fence(b)
			return true, nil
		}
		if cursor == "0" {
			if scans++; steps == 1 || scans == handleScans {
				return false, nil
			}
		}
	}
}

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
		// Each step has arguments of its own, since those of the last may still be read.
		args := []string{b.App, id, b.Prefix, b.Cache(), strconv.Itoa(stepSize), kept}
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
			s.fence(b)
			return killed, nil
		}
	}
}

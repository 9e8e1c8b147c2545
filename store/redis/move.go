package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
)

// moveTries is how often a move to another slot begins again since the session was
// changed meanwhile. A try takes two round trips.
const moveTries = 20

var errBusy = fmt.Errorf("redis: %w: the session changes faster than it can be moved", store.ErrUnavailable)

// Move implements store.Store: in one step where all keys are in one slot, as in one
// Redis they are.
func (s *Store) Move(ctx context.Context, app, token, fresh string, m store.Move) (store.Details, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Details{}, err
	}
	m.ID, m.IP = strings.Clone(m.ID), strings.Clone(m.IP)
	from, to := l.OfToken(app, token), l.OfID(app, m.ID)
	ctx, done, err := s.countLate(ctx, l, from, app, token)
	if err != nil {
		return store.Details{}, err
	}
	defer done()
	defer s.fence(to)
	defer s.fence(from)
	if from.Prefix != to.Prefix {
		return s.moveAcross(ctx, l, from, to, token, fresh, m)
	}
	freshKey := to.Session(fresh)
	keys := []string{from.Session(token), freshKey, to.Sessions(), to.Users(), to.Wipe, to.User(m.ID)}
	args := []string{to.App, to.Token(freshKey), m.ID, m.IP, to.Cache(),
		text(int64(m.MaxSessions)), strconv.Itoa(limitLook), strconv.Itoa(stepSize)}
	for range trimTries {
		message, err := s.client.Run(ctx, s.scripts.move, keys, args)
		if err != nil {
			return store.Details{}, err
		}
		text, err := message.ToString()
		if err != nil {
			return store.Details{}, fmt.Errorf("%w: move: %w", errReply, err)
		}
		if !store.ValidToken(text) {
			session, err := reply.Session(text, fresh)
			return session.Details, err
		}
		if err := s.trim(ctx, l, to, m.ID, m.MaxSessions, text); err != nil {
			return store.Details{}, err
		}
	}
	return store.Details{}, errOutrun
}

// moveAcross moves a session to another slot: a copy is made first, and the session
// ended if it has not changed since, else copied again. So no change is lost, and if it
// breaks off, the session is there twice. The user's surplus sessions end
// last, so that a move that comes too late ends none.
func (s *Store) moveAcross(ctx context.Context, l layout.Layout, from, to layout.Bucket, token, fresh string, m store.Move) (store.Details, error) {
	if err := s.registry.Register(ctx, s.client, to.App); err != nil {
		return store.Details{}, err
	}
	key, freshKey := from.Session(token), to.Session(fresh)
	arriveKeys := []string{freshKey, to.Sessions(), to.Users(), to.Wipe, to.User(m.ID)}
	for try := range moveTries {
		reply, err := s.client.Run(ctx, s.scripts.carry, []string{key}, nil)
		if err != nil {
			return store.Details{}, err
		}
		fields, err := reply.AsStrSlice()
		if err != nil || len(fields) == 1 {
			return store.Details{}, fmt.Errorf("%w: carry: %v", errReply, err)
		}
		if len(fields) == 0 {
			return store.Details{}, s.unmake(ctx, l, to, fresh, try > 0)
		}
		now, version := fields[0], fields[1]
		reply, err = s.client.Run(ctx, s.scripts.arrive, arriveKeys,
			append([]string{to.App, to.Token(freshKey), m.ID, m.IP, now}, fields[2:]...))
		session, err := sessionIn(reply, err, fresh)
		if err != nil {
			return store.Details{}, err
		}
		left, err := s.count(ctx, s.scripts.depart,
			[]string{key, from.Sessions(), from.Users(), from.Wipe}, []string{from.App, from.Cache(), version})
		if err != nil {
			return store.Details{}, err
		}
		switch left {
		case 0:
			return store.Details{}, s.unmake(ctx, l, to, fresh, true)
		case 1:
			if m.MaxSessions > 0 {
				// Who is told of an error here would not learn the new token.
				if err := s.keepWithin(ctx, l, to, m.ID, m.MaxSessions, to.Token(freshKey)); err != nil {
					s.logf("error: a session was moved, but the surplus sessions of its user have not ended: %v", err)
				}
			}
			return session.Details, nil
		}
	}
	if err := s.unmake(ctx, l, to, fresh, true); err != store.ErrNotFound {
		return store.Details{}, err
	}
	return store.Details{}, errBusy
}

// keepWithin ends those of a user's sessions that are too many, with the one of the token,
// which stays.
func (s *Store) keepWithin(ctx context.Context, l layout.Layout, b layout.Bucket, id string, limit int, token string) error {
	keys := []string{b.User(id), b.Sessions(), b.Users(), b.Wipe}
	args := []string{b.App, id, b.Prefix, b.Cache(), token, strconv.Itoa(limit), strconv.Itoa(limitLook), strconv.Itoa(stepSize)}
	for range trimTries {
		n, err := s.count(ctx, s.scripts.limit, keys, args)
		if n > 0 || err != nil {
			return err
		}
		if err := s.trim(ctx, l, b, id, limit, token); err != nil {
			return err
		}
	}
	return errOutrun
}

// unmake ends the copy that a move has made, if it has, since the session is not there
// any more, and returns ErrNotFound.
func (s *Store) unmake(ctx context.Context, l layout.Layout, to layout.Bucket, fresh string, made bool) error {
	if made {
		if _, err := s.kill(ctx, l, to, fresh); err != nil {
			return err
		}
	}
	return store.ErrNotFound
}

package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/list"
	"rest-sessions/store/redis/internal/wire"
)

const (
	// limitLook is how many sessions of a user a create with a limit looks at: Redis
	// is held for a fifth of a millisecond (a session costs it 1.5 us). So many may be
	// expired and not wiped yet, beside store.MaxUserSessions.
	limitLook = 128
	// trimTries is how often a create trims the user's sessions first. Only others
	// who start a hundred of the same user meanwhile make it more than once.
	trimTries = 5
)

var errOutrun = fmt.Errorf("redis: %w: sessions of the user come faster than they can be ended", store.ErrUnavailable)

// createWithin starts a session whose user may have so many with it. create tries it, and
// returns 0 if there are too many for the script to end at once: they are ended in steps
// first.
func (s *Store) createWithin(ctx context.Context, l layout.Layout, b layout.Bucket, id string, limit int, create func() (int64, error)) (now int64, err error) {
	for range trimTries {
		n, err := create()
		if n > 0 || err != nil {
			s.fence(b)
			return n, err
		}
		if err := s.trim(ctx, l, b, id, limit, ""); err != nil {
			return 0, err
		}
	}
	return 0, errOutrun
}

// trim ends, in steps, a user's expired sessions, and of the others all but the keep latest.
// The session of the token but stays too, unless but is "".
func (s *Store) trim(ctx context.Context, l layout.Layout, b layout.Bucket, id string, keep int, but string) error {
	var throttle wire.Throttle
	all, err := s.ages(ctx, &throttle, b, id)
	if err != nil {
		return err
	}
	if but != "" {
		stays := store.PackToken(but)
		all = slices.DeleteFunc(all, func(e list.Entry) bool { return e.Token == stays })
	}
	slices.SortFunc(all, list.LatestFirst)
	alive := 0
	for alive < len(all) && all[alive].LastActivity > 0 {
		alive++
	}
	keys := []string{b.User(id), b.Sessions(), b.Users(), b.Wipe}
	args := []string{b.App, id, b.Prefix, b.Cache(), "", ""}
	for surplus := range slices.Chunk(all[min(keep, alive):], stepSize) {
		args := slices.Clone(args)
		for _, e := range surplus {
			args = append(args, e.Token.String())
		}
		if _, err := throttle.Run(ctx, s.client, s.scripts.killsoid, keys, args); err != nil {
			return err
		}
	}
	return nil
}

// ages returns the tokens of a user's sessions and when each was last active, 0 for
// an expired one. SSCAN returns every token that is there throughout.
func (s *Store) ages(ctx context.Context, throttle *wire.Throttle, b layout.Bucket, id string) ([]list.Entry, error) {
	var all []list.Entry
	seen := make(map[store.PackedToken]struct{})
	keys := []string{b.User(id)}
	for cursor := "0"; ; {
		reply, err := throttle.Run(ctx, s.client, s.scripts.ages, keys, []string{b.Prefix, cursor, strconv.Itoa(list.ChunkSize)})
		if err != nil {
			return nil, err
		}
		parts, err := reply.AsStrSlice()
		if err != nil || len(parts) != 2 {
			return nil, fmt.Errorf("%w: ages: %v", errReply, err)
		}
		entries, err := list.AppendEntries(nil, parts[1])
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, twice := seen[e.Token]; !twice {
				seen[e.Token] = struct{}{}
				all = append(all, e)
			}
		}
		if cursor = parts[0]; cursor == "0" {
			return all, nil
		}
	}
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/reply"
)

const (
	// mergedInRedis is the most bytes, of data and change together, that set.lua merges:
	// at worst that holds Redis for half a millisecond. What is larger is merged here,
	// a thousand times as fast, for one more round trip.
	mergedInRedis = 2048
	// mergeTries is how often a set merges here. Each try but the last loses to a set of
	// another server; of three servers that do nothing else, one loses 64 in a row once
	// in 10^11.
	mergeTries = 64
)

var (
	errOverrun   = fmt.Errorf("redis: %w: others change the session faster than this set can be merged", store.ErrUnavailable)
	errMalformed = errors.New("redis: d of the session is not a JSON object without white space")
)

// merge runs set.lua: args are its first five. What the script leaves to us is merged
// here and written only if nobody has written the data meanwhile, else merged again, so
// no set is lost. w goes up with each set, those of a Node server too.
func (s *Store) merge(ctx context.Context, keys, args []string, token string, d store.Data) (store.Session, error) {
	room := s.mergedInRedis
	for _, f := range d {
		room -= len(f.Key) + len(f.Value) + len(":,")
	}
	args = append(args, strconv.Itoa(s.maxData), strconv.Itoa(max(room, -1)), "")
	first := args
	if room >= 0 {
		first = appendFields(slices.Clone(args), d)
	}
	message, err := s.client.RunBatched(ctx, s.scripts.set, keys, first)
	if err != nil {
		return store.Session{}, err
	}
	if message.IsInt64() {
		return store.Session{}, store.ErrTooLarge
	}
	if !message.IsArray() {
		return afterSet(message, token)
	}
	read, err := parseUnmerged(message)
	if err != nil {
		return store.Session{}, err
	}

	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	turn, err := s.merges.take(ctx, keys[0])
	if err != nil {
		return store.Session{}, err
	}
	defer s.merges.leave(keys[0], turn)
	if turn.last.w > read.w {
		read = turn.last // what the set before this one wrote
	}
	for range mergeTries {
		merged, ok := d.Merge(read.d)
		if !ok {
			return store.Session{}, errMalformed
		}
		if store.TooLarge(read.d, merged, s.maxData) {
			return store.Session{}, store.ErrTooLarge
		}
		// Each call has arguments of its own, since those of the last may still be read.
		args := append(slices.Clone(args[:len(args)-1]), strconv.FormatInt(read.w, 10), merged)
		message, err := s.client.RunBatched(ctx, s.scripts.set, keys, args)
		if err != nil {
			return store.Session{}, err
		}
		if !message.IsArray() {
			session, err := afterSet(message, token)
			if err == nil {
				session.D = reply.Data(merged)
				turn.last = unmerged{session.W, merged}
			}
			return session, err
		}
		if read, err = parseUnmerged(message); err != nil {
			return store.Session{}, err
		}
	}
	return store.Session{}, errOverrun
}

// afterSet reads a reply that is one session, after a set or as it was found.
func afterSet(message rueidis.RedisMessage, token string) (store.Session, error) {
	text, err := message.ToString()
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: %w", errReply, err)
	}
	text, conflict := strings.CutPrefix(text, "conflict\n")
	session, err := reply.Session(text, token)
	if conflict && err == nil {
		err = store.ErrConflict
	}
	return session, err
}

// unmerged is a session's data as set.lua found it.
type unmerged struct {
	w int64
	d string
}

// parseUnmerged reads the reply {w, d}.
func parseUnmerged(message rueidis.RedisMessage) (unmerged, error) {
	parts, err := message.AsStrSlice()
	if err != nil || len(parts) != 2 {
		return unmerged{}, fmt.Errorf("%w: set: %v", errReply, err)
	}
	w, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return unmerged{}, fmt.Errorf("%w: set: %w", errReply, err)
	}
	return unmerged{w, parts[1]}, nil
}

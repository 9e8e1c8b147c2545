package redis

import (
	"context"
	"errors"
	"fmt"
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
	// mergedInCall is the same of all sets of one script call: a millisecond at worst,
	// most often a half.
	mergedInCall = 4 * mergedInRedis
	// mergeTries is how often a set merges here. A try fails if another server sets the
	// session meanwhile; of three servers that do nothing else, one fails 64 times in a
	// row once in 10^11.
	mergeTries = 64
)

var (
	errOverrun   = fmt.Errorf("redis: %w: others change the session faster than this set can be merged", store.ErrUnavailable)
	errMalformed = errors.New("redis: d of the session is not a JSON object without white space")
)

// merge runs set.lua. What the script leaves to us is merged here and written only if
// nobody has written the data meanwhile, else merged again, so no set is lost. w goes up
// with each set, those of a Node server too.
func (s *Store) merge(ctx context.Context, c change) (session store.Session, oldToken bool, err error) {
	room := s.mergedInRedis
	for _, f := range c.data {
		room -= len(f.Key) + len(f.Value) + len(":,")
	}
	message, err := c.writer.do(ctx, c.toMerge(room))
	if err != nil {
		return store.Session{}, false, err
	}
	if message.IsInt64() {
		return store.Session{}, false, store.ErrTooLarge
	}
	if !message.IsArray() {
		return afterSet(message, c.token)
	}
	read, err := parseUnmerged(message)
	if err != nil {
		return store.Session{}, false, err
	}

	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	turn, err := s.merges.take(ctx, c.key)
	if err != nil {
		return store.Session{}, false, err
	}
	defer s.merges.leave(c.key, turn)
	if turn.last.w > read.w {
		read = turn.last // what the set before this one wrote
	}
	for range mergeTries {
		merged, ok := c.data.Merge(read.d)
		if !ok {
			return store.Session{}, false, errMalformed
		}
		if store.TooLarge(read.d, merged, s.maxData) {
			return store.Session{}, false, store.ErrTooLarge
		}
		message, err := c.writer.do(ctx, c.merged(read.w, merged))
		if err != nil {
			return store.Session{}, false, err
		}
		if !message.IsArray() {
			session, oldToken, err := afterSet(message, c.token)
			if err == nil {
				session.D = reply.Data(merged)
				turn.last = unmerged{session.W, merged}
			}
			return session, oldToken, err
		}
		if read, err = parseUnmerged(message); err != nil {
			return store.Session{}, false, err
		}
	}
	return store.Session{}, false, errOverrun
}

// afterSet reads a reply that is one session, after a set or as it was found.
func afterSet(message rueidis.RedisMessage, token string) (session store.Session, oldToken bool, err error) {
	text, err := message.ToString()
	if err != nil {
		return store.Session{}, false, fmt.Errorf("%w: %w", errReply, err)
	}
	text, conflict := strings.CutPrefix(text, "conflict\n")
	session, more, err := reply.Read(text, token)
	if conflict && err == nil {
		err = store.ErrConflict
	}
	return session, more.OldToken, err
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

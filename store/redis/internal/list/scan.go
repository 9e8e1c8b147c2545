package list

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/reply"
)

// scan goes through the index of a bucket step by step and finds the sessions of a list:
// upwards from the longest idle, which misses none that is there throughout but may find
// one twice, or downwards from the latest, which may miss one that is active meanwhile.
type scan struct {
	of    layout.Bucket
	down  bool
	dt    int64 // least activity that counts is so many seconds before start
	start int64 // when the list began, by the clock of the bucket's node; 0 until the first step
	// score and member are of the entry after which it goes on. Both are "" at the
	// beginning; a score alone is where it begins.
	score, member string
	done          bool
	ahead         int64 // going up: entries of the index from the last step's first on
}

// step finds the sessions among the next size entries, and appends them to to. With after,
// it finds only those that come after it in the order of the list.
func (r *reader) step(ctx context.Context, s *scan, size int, after *store.Cursor, to []Entry) ([]Entry, error) {
	direction := "up"
	if s.down {
		direction = "down"
	}
	args := []string{s.of.Prefix, strconv.Itoa(size), strconv.FormatInt(s.dt, 10), strconv.FormatInt(s.start, 10), direction, s.score, s.member}
	if after != nil {
		args = append(args, strconv.FormatInt(after.LastActivity, 10), after.Token)
	}
	said, err := r.throttle.Run(ctx, r.Client, r.Scan, []string{s.of.Sessions()}, args)
	if err != nil {
		return to, err
	}
	values, err := said.ToArray()
	if err != nil || len(values) != 5 {
		return to, fmt.Errorf("%w: scan: %v", reply.ErrMalformed, err)
	}
	var text string
	var errs [5]error
	s.start, errs[0] = values[0].ToInt64()
	s.ahead, errs[1] = values[1].ToInt64()
	s.score, errs[2] = values[2].ToString()
	s.member, errs[3] = values[3].ToString()
	text, errs[4] = values[4].ToString()
	if err := cmp.Or(errs[:]...); err != nil {
		return to, fmt.Errorf("%w: scan: %v", reply.ErrMalformed, err)
	}
	s.done = s.member == ""
	return AppendEntries(to, text)
}

// userStep is how many tokens of a user a script looks at in one call, without reading a
// session: Redis is held for some 0.2 ms.
const userStep = 200

// scanUser calls see with the tokens in a user's set that come after low, and before what
// high says at that time, "" for any. SSCAN may give a token twice, and may miss a session
// that is rotated meanwhile.
func (r *reader) scanUser(ctx context.Context, id, low string, high func() string, see func(token string)) error {
	l, err := r.Client.Layout(ctx)
	if err != nil {
		return err
	}
	keys := []string{l.OfID(r.app, id).User(id)}
	for cursor := "0"; ; {
		said, err := r.throttle.Run(ctx, r.Client, r.Tokens, keys, []string{cursor, strconv.Itoa(userStep), low, high()})
		if err != nil {
			return err
		}
		values, err := said.AsStrSlice()
		if err != nil || len(values) != 2 {
			return fmt.Errorf("%w: tokens: %v", reply.ErrMalformed, err)
		}
		for text := values[1]; len(text) >= store.TokenLen; text = text[store.TokenLen:] {
			see(text[:store.TokenLen])
		}
		if cursor = values[0]; cursor == "0" {
			return nil
		}
	}
}

package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

// Copied says what became of a session that Import was given.
type Copied string

// What import.lua returns.
const (
	CopiedNew     Copied = "new"     // it was not there
	CopiedNewer   Copied = "newer"   // its copy was brought up to date
	CopiedSame    Copied = "same"    // its copy is as it is
	CopyEnded     Copied = "ended"   // the copy has ended here, and is not made again
	CopyChanged   Copied = "changed" // the copy was used here since, and stays
	CopiedBoth    Copied = "both"    // and so was the session: the copy stays
	CopiedNothing Copied = "other"   // one that is no copy has this token, and stays
)

// Belongs reports whether a session can be kept here under its token: in the sharded
// layout, only if that carries the bucket of its user.
func (s *Store) Belongs(ctx context.Context, token, id string) (bool, error) {
	l, err := s.layout(ctx)
	return l.Belongs(token, id), err
}

// Import makes copies of sessions of one app, which belong here, or brings them up to
// date, each in an atomic step. ahead is how many seconds this store's clock is ahead of
// the one by which they were read. With dry it only tells what it would do.
func (s *Store) Import(ctx context.Context, app string, sessions []Raw, ahead int64, dry bool) ([]Copied, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	l, err := s.layout(ctx)
	if err != nil {
		return nil, err
	}
	if l.Sharded() && !dry {
		if err := s.register(ctx, app); err != nil {
			return nil, err
		}
	}
	commands := make([]wire.Command, len(sessions))
	for i, raw := range sessions {
		p := l.OfToken(app, raw.Token)
		commands[i] = wire.Command{
			Script: s.scripts.importing,
			Keys:   []string{p.Session(raw.Token), p.Sessions(), p.Users(), p.Wipe, p.User(raw.ID), p.Migrated()},
			Args:   importArgs(raw, ahead, dry),
		}
	}
	replies, err := s.client.RunAll(ctx, commands)
	if err != nil {
		return nil, err
	}
	copied := make([]Copied, len(replies))
	for i := range replies {
		text, err := replies[i].ToString()
		if err != nil {
			return nil, fmt.Errorf("%w: import: %w", errReply, err)
		}
		copied[i] = Copied(text)
	}
	return copied, nil
}

// importArgs makes the arguments of import.lua: the hash and its index entries as
// our scripts would have left them after the last activity.
func importArgs(raw Raw, ahead int64, dry bool) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	la, end, created := raw.LastActivity+ahead, raw.End, raw.Created
	if end != 0 {
		end += ahead
	}
	if created != 0 {
		created += ahead
	}
	last := la + raw.TTL
	if end != 0 {
		last = min(last, end)
	}
	// The fraction keeps entries apart: see clock.lua. A Node server's scores have none.
	_, fraction := math.Modf(raw.Index)
	if fraction < 1e-6 {
		fraction = float64(1+store.Bucket(raw.Token)) / (store.Buckets + 1)
	}
	score := func(seconds int64, fraction float64) string {
		return strconv.FormatFloat(float64(seconds)+fraction, 'f', 6, 64)
	}
	// The user's last activity may have been in another session.
	user := max(float64(la)+fraction, raw.User+float64(ahead))
	only := ""
	if dry {
		only = "1"
	}
	sum := raw.R + raw.W
	args := []string{
		raw.App, raw.Token, number(sum), number(la), number(last),
		score(la, fraction), score(0, user), score(store.WipeAt(la, raw.TTL, raw.NoResave, end)-1, fraction), only,
		"id", raw.ID, "r", number(raw.R), "w", number(raw.W), "m", number(sum), "ip", raw.IP, "la", number(la), "ttl", number(raw.TTL),
	}
	for _, field := range [][2]string{{"no_resave", map[bool]string{true: "1"}[raw.NoResave]}, {"end", text(end)}, {"created", text(created)}, {"root", raw.Root}, {"first", raw.First}, {"d", raw.D}} {
		if field[1] != "" {
			args = append(args, field[0], field[1])
		}
	}
	return args
}

// text is n, "" for 0.
func text(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// Copies returns a page of the tokens of a bucket that Import noted, and the cursor of
// the next, "0" after the last; "0" begins. None that is there throughout is missed; one
// may be met twice.
func (s *Store) Copies(ctx context.Context, p Bucket, cursor string) (tokens []string, next string, err error) {
	scan := wire.Command{Keys: []string{p.bucket.Migrated()}, Args: []string{"HSCAN", cursor, "COUNT", strconv.Itoa(copiesPage)}}
	reply, err := s.client.Do(ctx, s.keys.GroupOf(p.bucket.Migrated()), scan.Do)
	if err != nil {
		return nil, "", err
	}
	list, err := reply.ToArray()
	if err != nil || len(list) != 2 {
		return nil, "", fmt.Errorf("%w: HSCAN: %v", errReply, err)
	}
	next, err1 := list[0].ToString()
	notes, err2 := list[1].AsStrSlice()
	if err := cmp.Or(err1, err2); err != nil || len(notes)%2 != 0 {
		return nil, "", fmt.Errorf("%w: HSCAN: %v", errReply, err)
	}
	for i := 0; i < len(notes); i += 2 {
		tokens = append(tokens, notes[i])
	}
	return tokens, next, nil
}

// Settled counts what Settle found of copies.
type Settled struct {
	Live    int // alive in both
	Ended   int // ended here, alive there
	Dropped int // ended there, and so here too
	Kept    int // gone there, but perhaps only since it was used no more, and used here
}

// Add adds what another call found.
func (n *Settled) Add(m Settled) {
	n.Live, n.Ended, n.Dropped, n.Kept = n.Live+m.Live, n.Ended+m.Ended, n.Dropped+m.Dropped, n.Kept+m.Kept
}

// Settle ends those copies of a bucket whose session is not there any more where it was
// copied from, and counts the others. there is There's answer, for a time that is now
// by this store's clock.
func (s *Store) Settle(ctx context.Context, p Bucket, tokens []string, there []byte, now int64, dry bool) (Settled, error) {
	var n Settled
	if _, err := s.layout(ctx); err != nil {
		return n, err
	}
	only := ""
	if dry {
		only = "1"
	}
	for len(tokens) > 0 {
		size := len(tokens)
		if slices.Contains(there, '0') {
			size = min(size, stepSize) // of removals, see there
		}
		keys := []string{p.bucket.Migrated(), p.bucket.Sessions(), p.bucket.Users(), p.bucket.Wipe}
		for _, token := range tokens[:size] {
			keys = append(keys, p.bucket.Session(token))
		}
		reply, err := s.client.Run(ctx, s.scripts.settle, keys,
			[]string{p.bucket.App, p.bucket.Prefix, p.bucket.Cache(), strconv.FormatInt(now, 10), only, string(there[:size])})
		if err != nil {
			return n, err
		}
		text, err := reply.ToString()
		if err != nil || len(text) < size {
			return n, fmt.Errorf("%w: settle: %v", errReply, err)
		}
		for _, c := range text[:size] {
			switch c {
			case 'l':
				n.Live++
			case 'e':
				n.Ended++
			case 'd':
				n.Dropped++
			case 'k':
				n.Kept++
			}
		}
		tokens, there = tokens[size:], there[size:]
	}
	return n, nil
}

// Forget removes a page of a bucket's notes of copies and returns the cursor of the
// next, as Copies does.
func (s *Store) Forget(ctx context.Context, p Bucket, cursor string) (next string, err error) {
	tokens, next, err := s.Copies(ctx, p, cursor)
	if err != nil || len(tokens) == 0 {
		return next, err
	}
	_, err = s.client.RunAll(ctx, []wire.Command{{Keys: []string{p.bucket.Migrated()}, Args: append([]string{"HDEL"}, tokens...)}})
	return next, err
}

// stateKey is the hash in which a migration into this namespace keeps how far it is.
func (s *Store) stateKey(ctx context.Context) (string, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return "", err
	}
	return l.State(), nil
}

// State returns what SetState kept.
func (s *Store) State(ctx context.Context) (map[string]string, error) {
	key, err := s.stateKey(ctx)
	if err != nil {
		return nil, err
	}
	replies, err := s.client.RunAll(ctx, []wire.Command{{Keys: []string{key}, Args: []string{"HGETALL"}}})
	if err != nil {
		return nil, err
	}
	return replies[0].AsStrMap()
}

// SetState keeps fields of the state of a migration into this namespace.
func (s *Store) SetState(ctx context.Context, fields map[string]string) error {
	if len(fields) == 0 {
		return nil
	}
	args := []string{"HSET"}
	for name, value := range fields {
		args = append(args, name, value)
	}
	return s.setState(ctx, args)
}

// DropState removes fields of it.
func (s *Store) DropState(ctx context.Context, fields ...string) error {
	if len(fields) == 0 {
		return nil
	}
	return s.setState(ctx, append([]string{"HDEL"}, fields...))
}

func (s *Store) setState(ctx context.Context, args []string) error {
	key, err := s.stateKey(ctx)
	if err != nil {
		return err
	}
	_, err = s.client.RunAll(ctx, []wire.Command{{Keys: []string{key}, Args: args}})
	return err
}

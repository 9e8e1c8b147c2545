package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"rest-sessions/store/redis"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// As those of source.
const (
	copiesStep = 64 // notes of copies
	removeStep = 20 // sessions that a call ends
)

// target makes copies of sessions, and knows which it has made.
type target struct {
	side
	importing, settling *wire.Script
}

func openTarget(o redis.Options) (*target, error) {
	s, err := openSide(o)
	if err != nil {
		return nil, err
	}
	return &target{s, s.script("import"), s.script("settle")}, nil
}

// outcome says what became of a session that copySessions was given.
type outcome string

// What import.lua returns.
const (
	copiedNew     outcome = "new"     // it was not there
	copiedNewer   outcome = "newer"   // its copy was brought up to date
	copiedSame    outcome = "same"    // its copy is as it is
	copyEnded     outcome = "ended"   // the copy has ended here, and is not made again
	copyChanged   outcome = "changed" // the copy was used here since, and stays
	copiedBoth    outcome = "both"    // and so was the session: the copy stays
	copiedNothing outcome = "other"   // one that is no copy has this token, and stays
)

// belongs reports whether a session can be kept here under its token: in the sharded
// layout, only if that carries the bucket of its user.
func (t *target) belongs(ctx context.Context, token, id string) (bool, error) {
	l, err := t.client.Layout(ctx)
	return l.Belongs(token, id), err
}

// copySessions makes copies of sessions of one app, which belong here, or brings them up to
// date, each in an atomic step. ahead is how many seconds this store's clock is ahead of
// the one by which they were read. With dry it only tells what it would do.
func (t *target) copySessions(ctx context.Context, app string, sessions []session, ahead int64, dry bool) ([]outcome, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	l, err := t.client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	if l.Sharded() && !dry {
		if err := t.registry.Register(ctx, t.client, app); err != nil {
			return nil, err
		}
	}
	commands := make([]wire.Command, len(sessions))
	for i, raw := range sessions {
		b := l.OfToken(app, raw.Token)
		commands[i] = wire.Command{
			Script: t.importing,
			Keys:   []string{b.Session(raw.Token), b.Sessions(), b.Users(), b.Wipe, b.User(raw.ID), b.Migrated()},
			Args:   raw.importArgs(ahead, dry),
		}
	}
	replies, err := t.client.RunAll(ctx, commands)
	if err != nil {
		return nil, err
	}
	became := make([]outcome, len(replies))
	for i := range replies {
		text, err := replies[i].ToString()
		if err != nil {
			return nil, fmt.Errorf("%w: import: %w", errReply, err)
		}
		became[i] = outcome(text)
	}
	return became, nil
}

// copies returns a step of the tokens of a bucket that a migration noted, and the cursor of
// the next, "0" after the last; "0" begins. None that is there throughout is missed; one
// may be returned twice.
func (t *target) copies(ctx context.Context, b layout.Bucket, cursor string) (tokens []string, next string, err error) {
	l, err := t.client.Layout(ctx)
	if err != nil {
		return nil, "", err
	}
	scan := wire.Command{Keys: []string{b.Migrated()}, Args: []string{"HSCAN", cursor, "COUNT", strconv.Itoa(copiesStep)}}
	reply, err := t.client.Do(ctx, l.GroupOf(b.Migrated()), scan.Do)
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

// settled counts what settle found of copies.
type settled struct {
	Live    int // alive in both
	Ended   int // ended here, alive there
	Dropped int // ended there, and so here too
	Kept    int // gone there, but perhaps only since it was used no more, and used here
}

// Add adds what another call found.
func (n *settled) Add(m settled) {
	n.Live, n.Ended, n.Dropped, n.Kept = n.Live+m.Live, n.Ended+m.Ended, n.Dropped+m.Dropped, n.Kept+m.Kept
}

// settle ends those copies of a bucket whose session is not there any more where it was
// copied from, and counts the others. there is source.there's answer, for a time that is now
// by this store's clock.
func (t *target) settle(ctx context.Context, b layout.Bucket, tokens []string, there []byte, now int64, dry bool) (settled, error) {
	var n settled
	only := ""
	if dry {
		only = "1"
	}
	for len(tokens) > 0 {
		size := len(tokens)
		if slices.Contains(there, '0') {
			size = min(size, removeStep)
		}
		keys := []string{b.Migrated(), b.Sessions(), b.Users(), b.Wipe}
		for _, token := range tokens[:size] {
			keys = append(keys, b.Session(token))
		}
		reply, err := t.client.Run(ctx, t.settling, keys,
			[]string{b.App, b.Prefix, b.Cache(), strconv.FormatInt(now, 10), only, string(there[:size])})
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

// forget removes a step of a bucket's notes of copies and returns the cursor of the
// next, as copies does.
func (t *target) forget(ctx context.Context, b layout.Bucket, cursor string) (next string, err error) {
	tokens, next, err := t.copies(ctx, b, cursor)
	if err != nil || len(tokens) == 0 {
		return next, err
	}
	_, err = t.client.RunAll(ctx, []wire.Command{{Keys: []string{b.Migrated()}, Args: append([]string{"HDEL"}, tokens...)}})
	return next, err
}

// setState keeps fields of the state of a migration into this namespace.
func (t *target) setState(ctx context.Context, fields map[string]string) error {
	if len(fields) == 0 {
		return nil
	}
	args := []string{"HSET"}
	for name, value := range fields {
		args = append(args, name, value)
	}
	return t.changeState(ctx, args)
}

// dropState removes fields of it.
func (t *target) dropState(ctx context.Context, fields ...string) error {
	if len(fields) == 0 {
		return nil
	}
	return t.changeState(ctx, append([]string{"HDEL"}, fields...))
}

func (t *target) changeState(ctx context.Context, args []string) error {
	l, err := t.client.Layout(ctx)
	if err != nil {
		return err
	}
	_, err = t.client.RunAll(ctx, []wire.Command{{Keys: []string{l.State()}, Args: args}})
	return err
}

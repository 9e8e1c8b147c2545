package migrate

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/registry"
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/redis/lua"
)

//go:embed lua/*.lua
var embedded embed.FS

// scripts are the files in lua/.
var scripts, _ = fs.Sub(embedded, "lua") // fails for an invalid path alone

// liveStep is how many sessions a call counts, at 8 us each: see exportChunk.
const liveStep = 64

// errReply is a reply that no script of ours makes.
var errReply = errors.New("migrate: malformed reply")

// side is what source and target have in common.
type side struct {
	store    *redis.Store
	client   *wire.Client
	registry *registry.Registry
	script   func(name string) *wire.Script
	time     *wire.Script
	live     *wire.Script
}

// position is where an index scan is: after the entry Member, or at the first with Score
// if that is empty. One that has not begun has the Score "-inf", one that is done none.
type position struct{ Score, Member string }

// openSide makes a store. An error means that the options are wrong.
func openSide(o redis.Options) (side, error) {
	store, err := redis.Open(o)
	if err != nil {
		return side{}, err
	}
	s := side{
		store: store, client: store.Client(),
		registry: registry.New(o.Namespace+":", o.Buckets, o.ReadOnly, func(string, ...any) {}),
		script:   func(name string) *wire.Script { return lua.Script(scripts, name, o.Clock) },
	}
	s.time, s.live = s.script("time"), s.script("live")
	return s, nil
}

func (s *side) close() { s.store.Close() }

// buckets returns the buckets of an app.
func (s *side) buckets(ctx context.Context, app string) ([]layout.Bucket, error) {
	l, err := s.client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	return l.Buckets(app), nil
}

// now is the time by the clock of the side, at the middle of the round trip.
func (s *side) now(ctx context.Context) (time.Time, error) {
	l, err := s.client.Layout(ctx)
	if err != nil {
		return time.Time{}, err
	}
	key := l.NS + "x"
	if l.Sharded() {
		key = s.registry.Keys[0]
	}
	began := time.Now()
	reply, err := s.client.Run(ctx, s.time, []string{key}, nil)
	half := time.Since(began) / 2
	if err != nil {
		return time.Time{}, err
	}
	t, err := reply.AsIntSlice()
	if err != nil || len(t) != 2 {
		return time.Time{}, fmt.Errorf("%w: time: %v", errReply, err)
	}
	return time.Unix(t[0], t[1]*1000).Add(half), nil
}

// size returns how many entries the index of a bucket has from a score on.
func (s *side) size(ctx context.Context, b layout.Bucket, from string) (int64, error) {
	replies, err := s.client.RunAll(ctx, []wire.Command{{Keys: []string{b.Sessions()}, Args: []string{"ZCOUNT", from, "+inf"}}})
	if err != nil {
		return 0, err
	}
	return replies[0].ToInt64()
}

// alive reads a step of a bucket's index and returns the members, token:id, of the
// sessions that are alive at a time in Unix seconds. If copies is set, only those
// count that a migration made.
func (s *side) alive(ctx context.Context, b layout.Bucket, at position, now int64, copies bool) (members []string, next position, err error) {
	only := ""
	if copies {
		only = "1"
	}
	reply, err := s.client.Run(ctx, s.live, []string{b.Sessions(), b.Migrated()},
		[]string{b.Prefix, strconv.Itoa(liveStep), strconv.FormatInt(now, 10), only, at.Score, at.Member})
	if err != nil {
		return nil, next, err
	}
	list, err := reply.ToArray()
	if err != nil || len(list) != 3 {
		return nil, next, fmt.Errorf("%w: live: %v", errReply, err)
	}
	if next, err = positionIn(list); err != nil {
		return nil, next, err
	}
	if members, err = list[2].AsStrSlice(); err != nil {
		return nil, next, fmt.Errorf("%w: live: %w", errReply, err)
	}
	return members, next, nil
}

// positionIn reads the first two elements of a reply.
func positionIn(list []rueidis.RedisMessage) (position, error) {
	score, err := list[0].ToString()
	if err != nil {
		return position{}, fmt.Errorf("%w: a position: %w", errReply, err)
	}
	member, err := list[1].ToString()
	if err != nil {
		return position{}, fmt.Errorf("%w: a position: %w", errReply, err)
	}
	return position{score, member}, nil
}

// state returns what target.setState kept.
func (s *side) state(ctx context.Context) (map[string]string, error) {
	l, err := s.client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	replies, err := s.client.RunAll(ctx, []wire.Command{{Keys: []string{l.State()}, Args: []string{"HGETALL"}}})
	if err != nil {
		return nil, err
	}
	return replies[0].AsStrMap()
}

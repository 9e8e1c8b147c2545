package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// Pages of a migration. Each holds Redis for about half a millisecond, measured on a busy machine.
const (
	exportPage = 32  // sessions read, 12 us each
	livePage   = 64  // sessions counted, 8 us each
	copiesPage = 64  // notes of copies
	scanPage   = 500 // keys of the database looked at for apps
)

// Bucket is what a migration works on at a time: a whole app of the classic layout, a
// bucket of one in the sharded.
type Bucket struct{ bucket layout.Bucket }

// Name is a name that no other bucket of the namespace has.
func (p Bucket) Name() string { return p.bucket.Prefix }

// App is the app whose bucket it is.
func (p Bucket) App() string { return p.bucket.App }

// Position is where a walk up an index is: after the entry Member, or at the first
// with Score if that is empty. A walk that has not begun has the Score "-inf", one that
// is done none.
type Position struct{ Score, Member string }

// Raw is a session as it is stored.
type Raw struct {
	App, Token, ID, IP string
	R, W, TTL          int64
	LastActivity       int64 // Unix seconds
	NoResave           bool
	D                  string // as it stands there
	End                int64  // the last second by MaxAge, or 0
	Root               string // the first token, if it was rotated since it is this user's
	First              string // the first token, if it was another user's
	Created            int64  // Unix seconds, or 0
	// Index and User are the scores of the session and of its user, who may have none.
	Index, User float64
}

// Unreadable is the index entry of what is no session as it should be.
type Unreadable struct{ App, Member string }

// Exported is a page of a bucket's sessions.
type Exported struct {
	Live []Raw
	Over int // entries of sessions whose time is over, and of none
	Bad  []Unreadable
	Next Position
	// Looked is how many entries of the index the page is of.
	Looked int
}

// Apps returns the apps that have sessions, or had some in a Redis Cluster, in order.
// In one Redis it looks at all keys, for which a user of its access list needs SCAN.
func (s *Store) Apps(ctx context.Context) ([]string, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return nil, err
	}
	if l.Sharded() {
		held, err := s.registryFields(ctx, s.registry.keys)
		if err != nil {
			return nil, err
		}
		return appsOf(held), nil
	}
	pattern := escapeGlob(l.NS) + "*:_sessions"
	var apps []string
	for cursor := uint64(0); ; {
		reply, err := s.client.Do(ctx, layout.ClassicGroup, func(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
			return client.Do(ctx, client.B().Scan().Cursor(cursor).Match(pattern).Count(scanPage).Build()).ToMessage()
		})
		if err != nil {
			return nil, err
		}
		page, err := reply.AsScanEntry()
		if err != nil {
			return nil, fmt.Errorf("%w: SCAN: %w", errReply, err)
		}
		for _, key := range page.Elements {
			// An id may look like the end of an index' name, but then this is no app.
			if app := strings.TrimSuffix(key[len(l.NS):], ":_sessions"); store.ValidApp(app) {
				apps = append(apps, app)
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			slices.Sort(apps)
			return slices.Compact(apps), nil
		}
	}
}

// escapeGlob makes a pattern that matches text alone.
func escapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// Buckets returns the buckets of an app.
func (s *Store) Buckets(ctx context.Context, app string) ([]Bucket, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return nil, err
	}
	var buckets []Bucket
	for _, p := range l.Buckets(app) {
		buckets = append(buckets, Bucket{p})
	}
	return buckets, nil
}

// Sharded reports whether the sessions are in the layout for Redis Cluster, in which
// a token must carry the bucket of its user.
func (s *Store) Sharded(ctx context.Context) (bool, error) {
	l, err := s.layout(ctx)
	return l.Sharded(), err
}

// Now is the time by the store's own clock, to the middle of the round trip.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return time.Time{}, err
	}
	key := l.NS + "x"
	if l.Sharded() {
		key = s.registry.keys[0]
	}
	began := time.Now()
	reply, err := s.client.Run(ctx, s.scripts.time, []string{key}, nil)
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

// Size returns how many entries the index of a bucket has from a score on.
func (s *Store) Size(ctx context.Context, p Bucket, from string) (int64, error) {
	replies, err := s.client.RunAll(ctx, []wire.Command{{Keys: []string{p.bucket.Sessions()}, Args: []string{"ZCOUNT", from, "+inf"}}})
	if err != nil {
		return 0, err
	}
	return replies[0].ToInt64()
}

// Export reads the next page of a bucket: those sessions in it whose last activity was at
// since, in Unix seconds, or later.
func (s *Store) Export(ctx context.Context, p Bucket, at Position, since int64) (Exported, error) {
	var e Exported
	reply, err := s.client.Run(ctx, s.scripts.export, []string{p.bucket.Sessions(), p.bucket.Users()},
		[]string{p.bucket.Prefix, strconv.Itoa(exportPage), strconv.Itoa(chunkBytes), at.Score, at.Member, strconv.FormatInt(since, 10)})
	if err != nil {
		return e, err
	}
	list, err := reply.ToArray()
	if err != nil || len(list) != 5 {
		return e, fmt.Errorf("%w: export: %v", errReply, err)
	}
	over, err1 := list[2].ToInt64()
	passed, err2 := list[3].ToInt64()
	entries, err3 := list[4].ToArray()
	if err := cmp.Or(err1, err2, err3); err != nil {
		return e, fmt.Errorf("%w: export: %w", errReply, err)
	}
	if e.Next, err = position(list); err != nil {
		return e, err
	}
	e.Over, e.Looked = int(over), int(over)+int(passed)+len(entries)
	for i := range entries {
		fields, err := entries[i].AsStrSlice()
		if err != nil || len(fields) < 2 {
			return e, fmt.Errorf("%w: export: %v", errReply, err)
		}
		if raw, ok := parseRaw(p.bucket.App, fields); ok {
			e.Live = append(e.Live, raw)
		} else {
			e.Bad = append(e.Bad, Unreadable{p.bucket.App, fields[1]})
		}
	}
	return e, nil
}

// position reads the first two parts of a reply.
func position(list []rueidis.RedisMessage) (Position, error) {
	score, err := list[0].ToString()
	if err != nil {
		return Position{}, fmt.Errorf("%w: a position: %w", errReply, err)
	}
	member, err := list[1].ToString()
	if err != nil {
		return Position{}, fmt.Errorf("%w: a position: %w", errReply, err)
	}
	return Position{score, member}, nil
}

// parseRaw reads an entry of export's reply. It reports false if that is no session as
// it should be.
func parseRaw(app string, fields []string) (Raw, bool) {
	token, _, _ := strings.Cut(fields[1], ":")
	if len(fields) != 15 || !store.ValidToken(token) {
		return Raw{}, false
	}
	f := fields[3:]
	raw := Raw{App: app, Token: token, ID: f[0], IP: f[5], NoResave: f[6] == "1", D: f[7], Root: f[9], First: f[11]}
	ok := raw.ID != ""
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		ok = ok && err == nil
		return n
	}
	raw.R, raw.W, raw.TTL, raw.LastActivity = number(f[1]), number(f[2]), number(f[3]), number(f[4])
	if f[8] != "" {
		raw.End = number(f[8])
	}
	if f[10] != "" {
		raw.Created = number(f[10])
	}
	var err error
	raw.Index, err = strconv.ParseFloat(fields[0], 64)
	ok = ok && err == nil && !math.IsInf(raw.Index, 0)
	if fields[2] != "" {
		raw.User, err = strconv.ParseFloat(fields[2], 64)
		ok = ok && err == nil && !math.IsInf(raw.User, 0)
	}
	return raw, ok
}

// Live walks a page of a bucket's index and returns the members, token:id, of the
// sessions that are alive at a time in Unix seconds. If copies is set, only those
// count that Import made.
func (s *Store) Live(ctx context.Context, p Bucket, at Position, now int64, copies bool) (members []string, next Position, err error) {
	only := ""
	if copies {
		only = "1"
	}
	reply, err := s.client.Run(ctx, s.scripts.live, []string{p.bucket.Sessions(), p.bucket.Migrated()},
		[]string{p.bucket.Prefix, strconv.Itoa(livePage), strconv.FormatInt(now, 10), only, at.Score, at.Member})
	if err != nil {
		return nil, next, err
	}
	list, err := reply.ToArray()
	if err != nil || len(list) != 3 {
		return nil, next, fmt.Errorf("%w: live: %v", errReply, err)
	}
	if next, err = position(list); err != nil {
		return nil, next, err
	}
	if members, err = list[2].AsStrSlice(); err != nil {
		return nil, next, fmt.Errorf("%w: live: %w", errReply, err)
	}
	return members, next, nil
}

// There says of each token whether its session is there at a time in Unix seconds,
// as '1' or '0'. Of a page, a call of Redis takes microseconds.
func (s *Store) There(ctx context.Context, app string, tokens []string, now int64) ([]byte, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return nil, err
	}
	at := []string{strconv.FormatInt(now, 10)}
	var commands []wire.Command
	of := map[string]int{} // the command for a bucket, by its prefix
	places := make([][2]int, len(tokens))
	for i, token := range tokens {
		p := l.OfToken(app, token)
		k, ok := of[p.Prefix]
		if !ok {
			k = len(commands)
			of[p.Prefix] = k
			commands = append(commands, wire.Command{Script: s.scripts.there, Args: at})
		}
		places[i] = [2]int{k, len(commands[k].Keys)}
		commands[k].Keys = append(commands[k].Keys, p.Session(token))
	}
	var replies []rueidis.RedisMessage
	if len(commands) == 1 { // it need not wait for a place among those that go to many nodes
		replies = make([]rueidis.RedisMessage, 1)
		replies[0], err = s.client.Run(ctx, s.scripts.there, commands[0].Keys, at)
	} else {
		replies, err = s.client.RunAll(ctx, commands)
	}
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(replies))
	for k := range replies {
		texts[k], err = replies[k].ToString()
		if err != nil || len(texts[k]) < len(commands[k].Keys) {
			return nil, fmt.Errorf("%w: there: %v", errReply, err)
		}
	}
	flags := make([]byte, len(tokens))
	for i, at := range places {
		flags[i] = texts[at[0]][at[1]]
	}
	return flags, nil
}

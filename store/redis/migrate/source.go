package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// Each holds Redis for about half a millisecond, measured on a busy machine.
const (
	exportChunk = 32        // sessions read, 12 us each
	exportBytes = 128 << 10 // of large sessions fewer are read
	scanStep    = 500       // keys of the database looked at for apps
)

// source reads the sessions of a namespace as they are stored.
type source struct {
	side
	exporting, existing *wire.Script
}

func openSource(o redis.Options) (*source, error) {
	s, err := openSide(o)
	if err != nil {
		return nil, err
	}
	return &source{s, s.script("export"), s.script("there")}, nil
}

// unreadable is the index entry of what is no session as it should be.
type unreadable struct{ App, Member string }

// chunk is a chunk of a bucket's sessions.
type chunk struct {
	Live    []session
	Expired int // entries of expired sessions, and of none
	Bad     []unreadable
	Next    position
	// Looked is how many entries of the index the chunk is of.
	Looked int
}

// apps returns the apps that have sessions, or had some in a Redis Cluster, in order.
// In one Redis it looks at all keys, for which a user of its access list needs SCAN.
func (s *source) apps(ctx context.Context) ([]string, error) {
	l, err := s.client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	if l.Sharded() {
		return s.registry.Apps(ctx, s.client)
	}
	pattern := escapeGlob(l.NS) + "*:_sessions"
	var found []string
	for cursor := uint64(0); ; {
		reply, err := s.client.Do(ctx, layout.ClassicGroup, func(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
			return client.Do(ctx, client.B().Scan().Cursor(cursor).Match(pattern).Count(scanStep).Build().ToPipe()).ToMessage()
		})
		if err != nil {
			return nil, err
		}
		entry, err := reply.AsScanEntry()
		if err != nil {
			return nil, fmt.Errorf("%w: SCAN: %w", errReply, err)
		}
		for _, key := range entry.Elements {
			// An id may look like the end of an index' name, but then this is no app.
			if app := strings.TrimSuffix(key[len(l.NS):], ":_sessions"); store.ValidApp(app) {
				found = append(found, app)
			}
		}
		if cursor = entry.Cursor; cursor == 0 {
			slices.Sort(found)
			return slices.Compact(found), nil
		}
	}
}

// escapeGlob makes a pattern that matches text alone.
func escapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// export reads the next chunk of a bucket: those sessions in it whose last activity was at
// since, in Unix seconds, or later.
func (s *source) export(ctx context.Context, b layout.Bucket, at position, since int64) (chunk, error) {
	var e chunk
	reply, err := s.client.Run(ctx, s.exporting, []string{b.Sessions(), b.Users()},
		[]string{b.Prefix, strconv.Itoa(exportChunk), strconv.Itoa(exportBytes), at.Score, at.Member, strconv.FormatInt(since, 10)})
	if err != nil {
		return e, err
	}
	list, err := reply.ToArray()
	if err != nil || len(list) != 5 {
		return e, fmt.Errorf("%w: export: %v", errReply, err)
	}
	expired, err1 := list[2].ToInt64()
	passed, err2 := list[3].ToInt64()
	entries, err3 := list[4].ToArray()
	if err := cmp.Or(err1, err2, err3); err != nil {
		return e, fmt.Errorf("%w: export: %w", errReply, err)
	}
	if e.Next, err = positionIn(list); err != nil {
		return e, err
	}
	e.Expired, e.Looked = int(expired), int(expired)+int(passed)+len(entries)
	for i := range entries {
		fields, err := entries[i].AsStrSlice()
		if err != nil || len(fields) < 2 {
			return e, fmt.Errorf("%w: export: %v", errReply, err)
		}
		if raw, ok := parseSession(b.App, fields); ok {
			e.Live = append(e.Live, raw)
		} else {
			e.Bad = append(e.Bad, unreadable{b.App, fields[1]})
		}
	}
	return e, nil
}

// there says of each token whether its session is there at a time in Unix seconds,
// as '1' or '0'. Of a chunk, a call of Redis takes microseconds.
func (s *source) there(ctx context.Context, app string, tokens []string, now int64) ([]byte, error) {
	l, err := s.client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	at := []string{strconv.FormatInt(now, 10)}
	var commands []wire.Command
	of := map[string]int{} // the command for a bucket, by its prefix
	indexes := make([][2]int, len(tokens))
	for i, token := range tokens {
		b := l.OfToken(app, token)
		k, ok := of[b.Prefix]
		if !ok {
			k = len(commands)
			of[b.Prefix] = k
			commands = append(commands, wire.Command{Script: s.existing, Args: at})
		}
		indexes[i] = [2]int{k, len(commands[k].Keys)}
		commands[k].Keys = append(commands[k].Keys, b.Session(token))
	}
	var replies []rueidis.RedisMessage
	if len(commands) == 1 { // it need not wait for a place among those that go to many nodes
		replies = make([]rueidis.RedisMessage, 1)
		replies[0], err = s.client.Run(ctx, s.existing, commands[0].Keys, at)
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
	for i, at := range indexes {
		flags[i] = texts[at[0]][at[1]]
	}
	return flags, nil
}

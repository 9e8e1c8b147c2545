package redis

import (
	"context"
	"strconv"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// setTime is how long a set holds Redis, beside merging.
const setTime = 15 * time.Microsecond

// walkTime is how long set.lua usually takes to merge a change into so many bytes of data:
// it reads some 10 MB/s.
func walkTime(bytes int) time.Duration { return time.Duration(bytes) * 100 * time.Nanosecond }

// setArgs are the arguments that set.lua begins with.
func (s *Store) setArgs(args []string, channel string) []string {
	return append(args, channel, s.eviction.flag(), strconv.Itoa(s.maxData), strconv.Itoa(max(s.mergedInRedis, mergedInCall)))
}

func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, "", d)
}

func (s *Store) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, strconv.FormatInt(w, 10), d)
}

func (s *Store) set(ctx context.Context, app, token, w string, d store.Data) (store.Session, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return store.Session{}, err
	}
	b := l.OfToken(app, token)
	ctx, done, err := s.countLate(ctx, l, b, app, token)
	if err != nil {
		return store.Session{}, err
	}
	defer done()
	session, oldToken, err := s.merge(ctx, change{s.writersOf(l, b).sets, b, b.Session(token), token, w, d})
	s.changed(b, app, token, oldToken)
	return session, err
}

// change is a set of a session.
type change struct {
	writer     *writer
	bucket     layout.Bucket
	key, token string
	w          string // what w has to be, or ""
	data       store.Data
}

// toMerge is the write that lets set.lua merge the change if the session's data has room
// bytes at most; below 0, it only reads the data.
func (c *change) toMerge(room int) *write {
	q := c.writer.new(c.bucket, setTime)
	q.keys = append(q.keys, c.key)
	if room < 0 {
		q.args = append(q.args, c.w, "-1", "", "0")
		return q
	}
	q.merges = true
	q.args = append(q.args, c.w, strconv.Itoa(room), "", strconv.Itoa(2*len(c.data)))
	text := c.data.Text()
	q.time += walkTime(len(text))
	pos := len("{")
	for _, f := range c.data {
		value := pos + len(f.Key) + len(":")
		q.args = append(q.args, text[pos:pos+len(f.Key)], text[value:value+len(f.Value)])
		pos = value + len(f.Value) + len(",")
	}
	return q
}

// merged is the write of what the change made of the data that was there at w.
func (c *change) merged(w int64, d string) *write {
	q := c.writer.new(c.bucket, setTime+2*time.Duration(len(d))*time.Nanosecond)
	q.keys = append(q.keys, c.key)
	q.args = append(q.args, c.w, "-1", strconv.FormatInt(w, 10), "1", d)
	return q
}

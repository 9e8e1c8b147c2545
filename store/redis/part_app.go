package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"rest-sessions/store"
)

// ofApp finds a part of an app's sessions, stage by stage.
func (p *listPart) ofApp(ctx context.Context, dt int64) error {
	c := store.Cursor{Stage: store.ByActivity}
	if err := p.begin(&c, store.ByActivity, store.ByIndex, store.Moved); err != nil {
		return err
	}
	l, err := p.s.layout(ctx)
	if err != nil {
		return err
	}
	parts := l.parts(p.app)
	if c.Start == 0 {
		if c.Start, err = p.now(ctx, parts); err != nil {
			return err
		}
		// Before all that was not active after the start.
		c.LastActivity, c.Token = c.Start/1e6+1, lowestToken
	}
	if c.Stage != store.Moved {
		more, err := p.unmoved(ctx, parts, &c, dt)
		if err != nil || more {
			return err
		}
	}
	return p.moved(ctx, parts, &c)
}

// lowestToken comes before any token.
var lowestToken = strings.Repeat("0", store.CursorTokenLen)

// now returns the time in microseconds, by the clock of the slowest node: what is
// active from then on has that or a later time on each.
func (p *listPart) now(ctx context.Context, parts []part) (int64, error) {
	slowest := int64(math.MaxInt64)
	var mu sync.Mutex
	err := each(ctx, parts, func(ctx context.Context, _ int, of part) error {
		reply, err := p.call(ctx, p.s.scripts.begin, 2, []string{of.sessions()}, nil)
		if err != nil {
			return err
		}
		second, err1 := strconv.ParseInt(reply[0], 10, 64)
		micros, err2 := strconv.ParseInt(reply[1], 10, 64)
		if err := cmp.Or(err1, err2); err != nil {
			return fmt.Errorf("%w: begin: %w", errReply, err)
		}
		mu.Lock()
		defer mu.Unlock()
		slowest = min(slowest, second*1e6+micros)
		return nil
	})
	return slowest, err
}

// unmoved finds a part of the sessions that were not active since the start, and
// reports whether there are more of them.
func (p *listPart) unmoved(ctx context.Context, parts []part, c *store.Cursor, dt int64) (more bool, err error) {
	first, done, err := p.walkDown(ctx, parts, c, dt)
	if err == nil && !done {
		c.Stage, c.IndexTime, c.IndexToken = store.ByIndex, (c.LastActivity+1)*1e6, lowestToken
		first, _, err = p.walkDown(ctx, parts, c, dt)
	}
	if err != nil {
		return false, err
	}
	hits, more := cutTo(first.All(), p.limit)
	tokens := make([]string, len(hits))
	for i, h := range hits {
		tokens[i] = h.token()
	}
	if n := len(hits); n > 0 {
		last := hits[n-1]
		if c.Stage == store.ByIndex {
			c.IndexTime, c.IndexToken = last.micros, cut(last.token())
		} else {
			c.LastActivity, c.Token = last.la, cut(last.token())
		}
	}
	p.end(c, tokens, more)
	return more, p.mark(ctx, c, hits)
}

// mark marks those of the sessions listed whose last activity was in the second of
// the start.
func (p *listPart) mark(ctx context.Context, c *store.Cursor, hits []latestHit) error {
	args := map[string][]string{} // by the part's index
	for _, h := range hits {
		if h.la != c.Start/1e6 {
			continue
		}
		key := h.of.sessions()
		if args[key] == nil {
			args[key] = []string{scoreText(c.Start)}
		}
		if args[key] = append(args[key], h.member); len(args[key]) > listPageSize {
			if _, err := p.pace.exec(ctx, p.s, p.s.scripts.mark, []string{key}, args[key]); err != nil {
				return err
			}
			delete(args, key)
		}
	}
	var commands []command
	for key, args := range args {
		commands = append(commands, command{script: p.s.scripts.mark, keys: []string{key}, args: args})
	}
	_, err := p.pace.all(ctx, p.s, commands)
	return err
}

// scoreText is a score as scripts write them.
func scoreText(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6) }

// moved finds a part of the sessions that were active since the start: as many as
// the part has room for.
func (p *listPart) moved(ctx context.Context, parts []part, c *store.Cursor) error {
	next := store.Cursor{Stage: store.Moved, Start: c.Start}
	if c.Stage == store.Moved {
		next.Token = c.Token
	}
	room := p.limit - len(p.left)
	taken := make(map[string]struct{}, len(p.left)) // may have been active meanwhile
	for _, token := range p.left {
		taken[cut(token)] = struct{}{}
	}
	first := store.NewFirst(room+1, byToken) // what moves is met twice
	var mu sync.Mutex
	err := each(ctx, parts, func(ctx context.Context, _ int, of part) error {
		keys := []string{of.sessions()}
		start := scoreText(c.Start)
		second, fraction := start[:len(start)-7], start[len(start)-7:]
		for score, member, more := "", "", true; more; more = score != "" {
			mu.Lock()
			last := lastOf(first)
			mu.Unlock()
			reply, err := p.call(ctx, p.s.scripts.moved, 3, keys, []string{
				of.prefix, strconv.Itoa(scanStep), strconv.Itoa(listPageSize), second, fraction, next.Token, last, score, member})
			if err != nil {
				return err
			}
			score, member = reply[0], reply[1]
			mu.Lock()
			for found := range tokensIn(reply[2]) {
				if _, before := taken[cut(found)]; !before {
					first.Add(found)
				}
			}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return err
	}
	tokens, more := cutTo(first.All(), room)
	if more && room == 0 {
		next = *c // the next part will see that there are no more of its stage
	} else if more {
		next.Token = cut(tokens[len(tokens)-1])
	}
	p.end(&next, tokens, more)
	return nil
}

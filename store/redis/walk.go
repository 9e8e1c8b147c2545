package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"rest-sessions/store"
)

const (
	// exactLooks and exactLooksEach bound how many entries a part of a list looks at
	// to give sessions in the exact order: so many, and so many for each of its
	// limit. One that needs more goes on by index.
	exactLooks     = 10_000
	exactLooksEach = 10
	// leastStep is the least of entries that one call looks at.
	leastStep = 10
)

// walk is a walk down the index of a part of an app.
type walk struct {
	of            part
	score, member string // of the entry after which it goes on
	done          bool
	looks         int         // entries that the last step looked at
	hits          []latestHit // found by it
}

// latestHit is a session that a walk down an index has found.
type latestHit struct {
	la     int64
	micros int64  // the score in the index, in microseconds
	member string // of the index: the token, a colon and the id
	of     part
}

func (h latestHit) token() string { return h.member[:store.TokenLen] }

// byActivity orders hits, latest first and then by token, downwards.
func byActivity(a, b latestHit) int {
	return cmp.Or(cmp.Compare(b.la, a.la), byToken(b.member, a.member))
}

// byIndex orders hits as a walk meets them.
func byIndex(a, b latestHit) int {
	return cmp.Or(cmp.Compare(b.micros, a.micros), byToken(b.member, a.member))
}

// walkDown walks the indexes of an app's parts downwards until it has the first
// sessions after c, in the order of its stage, and one more than the limit. It
// reports false if that, by activity, takes too long.
func (p *listPart) walkDown(ctx context.Context, parts []part, c *store.Cursor, dt int64) (*store.First[latestHit], bool, error) {
	order, score, token := byActivity, strconv.FormatInt(c.LastActivity+1, 10), ""
	if c.Stage == store.ByIndex {
		order, score, token = byIndex, scoreText(c.IndexTime), c.IndexToken
	}
	size := min(listPageSize, max(leastStep, 2*(p.limit+1)/len(parts)))
	walks := make([]*walk, len(parts))
	for i, of := range parts {
		walks[i] = &walk{of: of, score: score, member: token}
	}
	first := store.NewFirst(p.limit+1, order)
	for looks := 0; ; size = min(listPageSize, 2*size) {
		var ahead []*walk
		var of []part
		for _, w := range walks {
			if more, err := w.ahead(c.Stage, first); err != nil {
				return nil, false, err
			} else if more {
				ahead, of = append(ahead, w), append(of, w.of)
			}
		}
		if len(ahead) == 0 {
			return first, true, nil
		}
		if c.Stage == store.ByActivity && looks > p.s.exactLooks+exactLooksEach*p.limit {
			return first, false, nil
		}
		err := each(ctx, of, func(ctx context.Context, i int, _ part) error {
			return p.step(ctx, ahead[i], c, dt, size)
		})
		if err != nil {
			return nil, false, err
		}
		for _, w := range ahead {
			looks += w.looks
			for _, h := range w.hits {
				first.Add(h)
			}
		}
	}
}

// ahead reports whether w may still find a session that first would keep.
//
// An entry trails the hash by less than a minute. So once all sessions kept were
// active a minute after the time that a walk has come to, it finds no better one.
func (w *walk) ahead(stage store.Stage, first *store.First[latestHit]) (bool, error) {
	last, full := first.Last()
	if w.done || !full {
		return !w.done, nil
	}
	at, err := strconv.ParseFloat(w.score, 64)
	if err != nil {
		return false, fmt.Errorf("%w: latest: %w", errReply, err)
	}
	if stage == store.ByActivity {
		return last.la < int64(math.Floor(at))+store.MaxWindow, nil
	}
	return byIndex(latestHit{micros: micros(at), member: w.member + lowestToken}, last) < 0, nil
}

// micros returns a score in microseconds.
func micros(score float64) int64 { return int64(math.Round(score * 1e6)) }

// step takes w a step on.
func (p *listPart) step(ctx context.Context, w *walk, c *store.Cursor, dt int64, size int) error {
	reply, err := p.call(ctx, p.s.scripts.latest, 4, []string{w.of.sessions()}, []string{
		w.of.prefix, strconv.FormatInt(dt, 10), strconv.Itoa(size), strconv.FormatInt(c.Start/1e6, 10), w.score, w.member,
		strconv.FormatInt(c.LastActivity, 10), c.Token})
	if err != nil {
		return err
	}
	if w.looks, err = strconv.Atoi(reply[0]); err != nil {
		return fmt.Errorf("%w: latest: %w", errReply, err)
	}
	w.hits = w.hits[:0]
	for text := reply[3]; text != ""; {
		var h latestHit
		if h, text, err = cutLatest(text); err != nil {
			return err
		}
		h.of = w.of
		w.hits = append(w.hits, h)
	}
	w.score, w.member, w.done = reply[1], reply[2], reply[1] == ""
	return nil
}

// cutLatest cuts the first session off the last part of latest's reply.
func cutLatest(text string) (h latestHit, rest string, err error) {
	head, rest, _ := strings.Cut(text, "\n")
	fields := strings.Split(head, " ")
	if len(fields) != 3 {
		return h, "", fmt.Errorf("%w: latest: %.80q", errReply, text)
	}
	la, err1 := strconv.ParseInt(fields[0], 10, 64)
	score, err2 := strconv.ParseFloat(fields[1], 64)
	n, err3 := strconv.Atoi(fields[2])
	if cmp.Or(err1, err2, err3) != nil || n < store.TokenLen || n > len(rest) {
		return h, "", fmt.Errorf("%w: latest: %.80q", errReply, text)
	}
	return latestHit{la: la, micros: micros(score), member: rest[:n]}, rest[n:], nil
}

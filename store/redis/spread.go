package redis

import (
	"container/heap"
	"context"
	"fmt"
	"strconv"

	"rest-sessions/store"
)

// merge returns the tokens of lists, each in the list's order, in that order.
func merge(lists [][]hit) []string {
	total := 0
	m := make(heads, 0, len(lists))
	for _, list := range lists {
		if total += len(list); len(list) > 0 {
			m = append(m, list)
		}
	}
	heap.Init(&m)
	tokens := make([]string, 0, total)
	for len(m) > 0 {
		tokens = append(tokens, m[0][0].token)
		if m[0] = m[0][1:]; len(m[0]) == 0 {
			heap.Pop(&m)
		} else {
			heap.Fix(&m, 0)
		}
	}
	return tokens
}

// heads is a heap of lists, none of them empty, by their first hits.
type heads [][]hit

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return compareHits(h[i][0], h[j][0]) < 0 }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.([]hit)) }
func (h *heads) Pop() any {
	last := len(*h) - 1
	list := (*h)[last]
	*h = (*h)[:last]
	return list
}

// readSpread is readSessions for the sharded layout: a script call for each part
// that a token of the page is in, all in one go.
func (s *Store) readSpread(ctx context.Context, l layout, app string, tokens []string, size int, m *met) ([]store.Session, []string, error) {
	page := tokens[:size]
	var commands []command
	callOf := map[string]int{} // by the prefix of its part
	at := make([][2]int, len(page))
	for i, token := range page {
		p := l.ofToken(app, token)
		k, ok := callOf[p.prefix]
		if !ok {
			k = len(commands)
			callOf[p.prefix] = k
			commands = append(commands, command{script: s.scripts.sessions})
		}
		at[i] = [2]int{k, len(commands[k].keys)}
		commands[k].keys = append(commands[k].keys, p.session(token))
	}
	budget := []string{strconv.Itoa(listPageBytes / len(commands))}
	for k := range commands {
		commands[k].args = budget
	}
	replies, err := s.all(ctx, commands)
	if err != nil {
		return nil, nil, err
	}
	texts := make([][]string, len(commands))
	for k := range replies {
		texts[k], err = replies[k].AsStrSlice()
		if err != nil || len(texts[k]) == 0 {
			return nil, nil, fmt.Errorf("%w: sessions: %v", errReply, err)
		}
		texts[k] = texts[k][:min(len(texts[k]), len(commands[k].keys))] // without the key of whole
	}
	// Up to the first that its part's reply had no room for. What other parts say of
	// later ones is read again.
	inOrder := make([]string, 0, len(page))
	for _, a := range at {
		if a[1] >= len(texts[a[0]]) {
			break
		}
		inOrder = append(inOrder, texts[a[0]][a[1]])
	}
	found, err := appendSessions(make([]store.Session, 0, len(inOrder)), page, inOrder, m)
	return found, tokens[len(inOrder):], err
}

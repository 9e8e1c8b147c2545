package redis

import (
	"context"
	"fmt"
	"strconv"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// textsSpread is texts for the sharded layout: a script call for each bucket that a token
// of the chunk is in, all in one go.
func (r *listReader) textsSpread(ctx context.Context, l layout.Layout, chunk []string) ([]string, error) {
	var commands []wire.Command
	callOf := map[string]int{} // by the prefix of its bucket
	at := make([][2]int, len(chunk))
	for i, token := range chunk {
		p := l.OfToken(r.app, token)
		k, ok := callOf[p.Prefix]
		if !ok {
			k = len(commands)
			callOf[p.Prefix] = k
			commands = append(commands, wire.Command{Script: r.s.scripts.sessions})
		}
		at[i] = [2]int{k, len(commands[k].Keys)}
		commands[k].Keys = append(commands[k].Keys, p.Session(token))
	}
	budget := []string{strconv.Itoa(chunkBytes / len(commands))}
	for k := range commands {
		commands[k].Args = budget
	}
	replies, err := r.throttle.RunAll(ctx, r.s.client, commands)
	if err != nil {
		return nil, err
	}
	texts := make([][]string, len(commands))
	for k := range replies {
		texts[k], err = replies[k].AsStrSlice()
		if err != nil || len(texts[k]) == 0 {
			return nil, fmt.Errorf("%w: sessions: %v", errReply, err)
		}
		texts[k] = texts[k][:min(len(texts[k]), len(commands[k].Keys))] // without the key of Guard
	}
	// Up to the first that its bucket's reply had no room for. What other buckets say
	// of later ones is read again.
	inOrder := make([]string, 0, len(chunk))
	for _, a := range at {
		if a[1] >= len(texts[a[0]]) {
			break
		}
		inOrder = append(inOrder, texts[a[0]][a[1]])
	}
	return inOrder, nil
}

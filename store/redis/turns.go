package redis

import (
	"context"
	"fmt"
	"sync"

	"rest-sessions/store"
)

// turns lets one caller at a time merge a session's data: of several at once, all but one
// would have to merge again. Sets of other servers are not waited for.
type turns struct {
	mu    sync.Mutex
	taken map[string]*turn // by the session's key
}

type turn struct {
	callers int           // those who have it or wait for it
	free    chan struct{} // holds an element while nobody has it
	last    unmerged      // what the last of them wrote; for who has the turn
}

// take waits for the turn of a session. Whoever has it must leave it.
func (t *turns) take(ctx context.Context, key string) (*turn, error) {
	t.mu.Lock()
	mine := t.taken[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		if t.taken == nil {
			t.taken = map[string]*turn{}
		}
		t.taken[key] = mine
	}
	mine.callers++
	t.mu.Unlock()
	select {
	case <-mine.free:
		return mine, nil
	case <-ctx.Done():
		t.forget(key, mine)
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}

func (t *turns) leave(key string, mine *turn) {
	mine.free <- struct{}{}
	t.forget(key, mine)
}

func (t *turns) forget(key string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.callers--; mine.callers == 0 {
		delete(t.taken, key)
	}
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestNearEmptied has somebody empty Redis: sessions that were read before may be answered
// for RS_CACHE, as docs/near-reads.md says, and no longer; whoever asks Redis learns it at
// once; late counts revive nothing; new sessions are answered near.
func TestNearEmptied(t *testing.T) {
	open := func(t *testing.T, o Options) *Store {
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		eventually(t, "Redis is reached", func() bool { return s.Ping(context.Background()) == nil })
		return s
	}
	t.Run("one Redis", func(t *testing.T) {
		server := redistest.Start(t)
		testNearEmptied(t, []*redistest.Server{server}, func(o Options) *Store {
			o.Host, o.Port = "127.0.0.1", server.Port()
			return open(t, o)
		})
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t, false)
		testNearEmptied(t, cluster.Masters, func(o Options) *Store {
			o.Host, o.Port = "127.0.0.1", cluster.Masters[0].Port()
			return open(t, o)
		})
	})
}

func testNearEmptied(t *testing.T, masters []*redistest.Server, open func(Options) *Store) {
	const cache = 10 * time.Second
	var clock atomic.Int64
	s := open(Options{
		Namespace: "t", Timeout: testTimeout, Logf: t.Logf, Cache: cache,
		nearClock: func() time.Duration { return time.Duration(clock.Load()) },
	})
	ctx := context.Background()
	for _, command := range []string{"FLUSHALL", "FLUSHDB"} {
		var tokens []string // of sessions that are read
		for i := range 4 {
			token := create(t, s, "app", fmt.Sprint("user", i), 1000)
			readNear(t, s, token)
			tokens = append(tokens, token)
		}
		for _, master := range masters {
			master.Do(t, command)
		}
		ends := func(what, token string, call func() error) {
			t.Helper()
			if err := call(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s, %s: %v", command, what, err)
			}
			if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: a get after a %s: %v", command, what, err)
			}
		}
		ends("set", tokens[0], func() error { _, err := s.Set(ctx, "app", tokens[0], number(1)); return err })
		ends("touch=false", tokens[1], func() error { _, err := s.Peek(ctx, "app", tokens[1]); return err })
		clock.Add(int64(cache) - 1)
		if _, err := s.Get(ctx, "app", tokens[2]); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", command, err)
		}
		clock.Add(1)
		ends("RS_CACHE", tokens[2], func() error { _, err := s.Get(ctx, "app", tokens[2]); return err })
		s.near.Flush() // and with it the reads of the last
		ends("flush", tokens[3], func() error { _, err := s.Get(ctx, "app", tokens[3]); return err })
		for _, master := range masters {
			if keys := master.Do(t, "KEYS", "*app*"); fmt.Sprint(keys) != "[]" {
				t.Errorf("%s: late counts have made %v", command, keys)
			}
		}
		readNear(t, s, create(t, s, "app", "user", 1000))
	}
}

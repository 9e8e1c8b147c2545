package redis

import (
	"context"
	"errors"
	"math"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/redis/internal/reply"
	"rest-sessions/store/redis/lua"
	"rest-sessions/store/storetest"
)

func TestScriptHeaders(t *testing.T) { enginetest.CheckScripts(t, lua.Files) }

// merger opens a store on server with a session to which changes are made: what it
// returns stores a text as the session's data, and makes a change by set.lua, which
// merges what has at most inRedis bytes.
func merger(tb testing.TB, inRedis int) func(tb testing.TB, stored string, d store.Data) (string, error) {
	server := redistest.Start(tb)
	s := openTest(tb, server, nil)
	tb.Cleanup(s.Close)
	s.mergedInRedis = inRedis
	token := create(tb, s, "app", "user", 1_000_000)
	key := classicKeys(s).session("app", token)
	return func(tb testing.TB, stored string, d store.Data) (string, error) {
		server.Do(tb, "HSET", key, "d", stored)
		session, err := s.Set(context.Background(), "app", token, d)
		return session.D, err
	}
}

// TestSetMerges holds the walker in set.lua to what store.Data.Merge is held to, and a
// set that is merged there to the same.
func TestSetMerges(t *testing.T) {
	for _, inRedis := range []int{math.MaxInt32, -1} {
		testSetMerges(t, merger(t, inRedis))
	}
}

func testSetMerges(t *testing.T, set func(tb testing.TB, stored string, d store.Data) (string, error)) {
	for _, c := range storetest.MergeCases {
		d, _ := storetest.ParseChange(c.Change)
		if len(d) == 0 {
			continue // no change to make
		}
		if got, err := set(t, c.Stored, d); err != nil || got != c.Want {
			t.Errorf("%s into %s: %s, %v, want %s", c.Change, c.Stored, got, err, c.Want)
		}
	}
	for _, stored := range storetest.Unmergeable {
		if got, err := set(t, stored, number(1)); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("into %q: %q, %v", stored, got, err)
		}
	}
}

// FuzzSetData holds the walker in set.lua against store.Data.Merge: the same text
// comes out of both, and what one refuses the other does.
func FuzzSetData(f *testing.F) {
	for _, c := range storetest.MergeCases {
		f.Add(c.Stored, c.Change)
	}
	for _, stored := range storetest.Unmergeable {
		f.Add(stored, `{"b":1}`)
	}
	for _, stored := range []string{"{\"a\":\"\x00\"}", "{\"a\":[\"\x00]\"]}", `{"a":1e}`, `{"a":é}`, `{"a":[é}]}`, `{"a":[}}`} {
		f.Add(stored, `{"b":"\u0000"}`)
	}
	set := merger(f, math.MaxInt32)
	f.Fuzz(func(t *testing.T, stored, change string) {
		d, ok := storetest.ParseChange(change)
		if !ok || len(d) == 0 {
			return
		}
		want, ok := d.Merge(stored)
		got, err := set(t, stored, d)
		if ok != (err == nil) {
			t.Fatalf("%q with %q: set says %v, Merge %v", stored, change, err, ok)
		}
		if ok && got != reply.Data(want) {
			t.Fatalf("%q with %q: set makes %q, Merge %q", stored, change, got, want)
		}
	})
}

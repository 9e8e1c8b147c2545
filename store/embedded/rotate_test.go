package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"rest-sessions/store"
)

func rotate(t testing.TB, s *Store, token string, grace int64) string {
	t.Helper()
	fresh, _, err := s.Rotate(context.Background(), "app", token, store.NewTokenLike(token), grace)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

// aliasesOf returns how many aliases all shards hold.
func aliasesOf(s *Store) (n int) {
	for i := range s.shards {
		n += s.shards[i].aliases.table.len()
	}
	return n
}

// Records that get other hashes, again and again and in both orders of growing and
// shrinking, are found by those and by no other.
func TestRehash(t *testing.T) {
	var table table[int]
	rnd := rand.New(rand.NewPCG(3, 3))
	hashes := map[uint32]uint32{} // by slot
	for i := range 20_000 {
		switch {
		case len(hashes) == 0 || rnd.IntN(3) == 0 && i%4000 < 2500:
			hash := rnd.Uint32N(5000)
			hashes[table.add(hash)] = hash
		case rnd.IntN(3) == 0:
			for slot := range hashes {
				table.remove(slot)
				delete(hashes, slot)
				break
			}
		default:
			for slot := range hashes {
				hashes[slot] = rnd.Uint32N(5000)
				table.rehash(slot, hashes[slot])
				break
			}
		}
	}
	for slot, hash := range hashes {
		found := false
		for at := table.first(hash); at != 0; at = table.next(at) {
			found = found || at == slot
		}
		if !found {
			t.Fatalf("slot %d is not found by its hash", slot)
		}
	}
	if _, err := table.check(); err != nil {
		t.Error(err)
	}
}

// Aliases go: those of a shard that is rotated in by and by, the rest with the wiper,
// none of them before its grace is over.
func TestAliasesAreForgotten(t *testing.T) {
	s, clock := newTestStore()
	token := create(t, s, "app", store.New{ID: "user", TTL: 100_000})
	const graces = 600
	for i := range graces {
		token = rotate(t, s, token, 1+int64(i%store.MaxGrace))
		clock.now++
		s.check(t)
		// A minute's, and those that wait behind them for as long.
		if n := aliasesOf(s); n > 2*store.MaxGrace+1 {
			t.Fatalf("%d aliases after %d rotations, one a second", n, i)
		}
	}
	clock.now += store.MaxGrace
	if _, err := s.Wipe(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.check(t)
	if n := aliasesOf(s); n > 0 {
		t.Errorf("%d aliases are left", n)
	}

	// More than a step of the wiper, in one shard.
	var olds []string
	for range 5 * removeStep {
		olds = append(olds, token)
		token = rotate(t, s, token, 10)
	}
	clock.now += 10
	if _, err := s.Wipe(context.Background()); err != nil || aliasesOf(s) != len(olds) {
		t.Errorf("%d aliases in the last second of %d (%v)", aliasesOf(s), len(olds), err)
	}
	for _, old := range olds {
		if _, err := s.Get(context.Background(), "app", old); err != nil {
			t.Fatal(err)
		}
	}
	clock.now++
	if _, err := s.Wipe(context.Background()); err != nil || aliasesOf(s) != 0 {
		t.Errorf("%d aliases after it (%v)", aliasesOf(s), err)
	}
	s.check(t)
}

// An alias whose session has gone stands for none that took its place.
func TestAliasOutlivesItsSession(t *testing.T) {
	s, _ := newTestStore()
	ctx := context.Background()
	for i := range 200 {
		old := create(t, s, "app", store.New{ID: "user"})
		fresh := rotate(t, s, old, 60)
		if killed, err := s.Kill(ctx, "app", fresh); !killed || err != nil {
			t.Fatal(killed, err)
		}
		create(t, s, "app", store.New{ID: "user", IP: fmt.Sprint(i)}) // in its slot
		if got, err := s.Get(ctx, "app", old); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("an alias answers %+v, %v", got, err)
		}
	}
	s.check(t)
}

// A new token must be one of the user's bucket, since it names the shard.
func TestRotateForeignToken(t *testing.T) {
	s, _ := newTestStore()
	token := create(t, s, "app", store.New{ID: "user"})
	foreign := store.NewToken("user")
	for i := 0; shardOf(store.TokenBucket(foreign)) == shardOf(store.TokenBucket(token)); i++ {
		foreign = store.NewToken(fmt.Sprint("user", i))
	}
	if _, _, err := s.Rotate(context.Background(), "app", token, foreign, 10); !errors.Is(err, errForeignToken) {
		t.Error(err)
	}
	if _, err := s.Get(context.Background(), "app", token); err != nil {
		t.Error(err)
	}
}

// A Create whose user has any number of sessions, over or not, holds the lock for a
// step at a time.
func TestLimitIsBounded(t *testing.T) {
	for _, c := range []struct {
		sessions int
		over     bool
		limit    int
	}{
		{limitStep - 1, false, 1}, {3000, false, 2}, {3000, true, 2},
	} {
		s, clock := newTestStore()
		for range c.sessions {
			create(t, s, "app", store.New{ID: "user", TTL: 10})
		}
		clock.now++
		if c.over {
			clock.now += 10
		}
		sh := s.shard(store.Bucket("user"))
		left, steps := sh.sessions.len(), 0
		ctx := atEachStep(func() {
			steps++
			if !sh.mu.TryLock() {
				t.Fatal("the lock is held between steps")
			}
			sh.mu.Unlock()
			if left-sh.sessions.len() > removeStep {
				t.Fatalf("%d sessions removed in a step", left-sh.sessions.len())
			}
			left = sh.sessions.len()
		})
		n := store.New{ID: "user", IP: "::1", TTL: 100, MaxSessions: c.limit}
		if _, err := s.Create(ctx, "app", store.NewToken("user"), n); err != nil {
			t.Fatal(err)
		}
		want := c.limit
		if c.over {
			want = 1
		}
		if got := sh.sessions.len(); got != want || left-got > removeStep || steps < c.sessions/removeStep {
			t.Errorf("%+v: %d sessions, %d of them ended at last, after %d steps", c, got, left-got, steps)
		}
		s.check(t)
	}
}

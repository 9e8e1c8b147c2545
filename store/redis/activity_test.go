package redis

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/enginetest"
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/storetest"
)

// windowStart is the start of a window of _users, and of the longest window of a
// session.
const windowStart = 1_700_000_040

// TestUsersWindow reads twice in a window: the entry of _users stays where the
// first touch of the window left it, and activity counts the user to the second all
// the same.
func TestUsersWindow(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(windowStart)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	// More than a chunk of users, of whom every other is active at the window's end.
	const users = 3 * activityStep
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = create(t, s, "app", "user"+strconv.Itoa(i), 1000)
	}
	clock.Advance(store.UsersWindow - 1)
	score := func(i int) string {
		return fmt.Sprint(server.Do(t, "ZSCORE", classicKeys(s).users("app"), "user"+strconv.Itoa(i)))
	}
	before := score(0)
	for i := 0; i < users; i += 2 {
		if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	if after := score(0); after != before {
		t.Errorf("a second touch in a window moved _users from %s to %s", before, after)
	}
	for _, step := range []struct{ advance, want int64 }{
		{1, users}, {9, users / 2}, {0, users / 2}, {1, 0},
	} {
		clock.Advance(step.advance)
		if n, err := s.Activity(ctx, "app", 10); n != step.want || err != nil {
			t.Errorf("at %d, activity of ten seconds is %d (%v), not %d", clock.Now()-windowStart, n, err, step.want)
		}
	}
	checkIndexes(t, server, s)
}

// TestUsersOutliveSessions ends the session in which a user was active last: the
// user's other session keeps that time.
func TestUsersOutliveSessions(t *testing.T) {
	for _, end := range []string{"kill", "wipe"} {
		t.Run(end, func(t *testing.T) {
			server := redistest.Start(t)
			clock := storetest.NewClock(windowStart)
			s := openTest(t, server, clock)
			defer s.Close()
			ctx := context.Background()
			create(t, s, "app", "user", 1000)
			last := create(t, s, "app", "user", 10)
			clock.Advance(store.UsersWindow - 1)
			if _, err := s.Get(ctx, "app", last); err != nil {
				t.Fatal(err)
			}
			dt := int64(10)
			if end == "kill" {
				if killed, err := s.Kill(ctx, "app", last); !killed || err != nil {
					t.Fatal(killed, err)
				}
				clock.Advance(dt)
			} else {
				dt = 20
				clock.Advance(dt)
				if n, err := s.Wipe(ctx); n != 1 || err != nil {
					t.Fatalf("the wipe removed %d sessions, %v", n, err)
				}
			}
			for _, want := range []int64{1, 0} {
				if n, err := s.Activity(ctx, "app", dt); n != want || err != nil {
					t.Errorf("activity is %d (%v), not %d", n, err, want)
				}
				clock.Advance(1)
			}
		})
	}
}

// TestTwins reads sessions several times in one batch, of two apps: each reader
// gets a count of its own, and only the first an idle time.
func TestTwins(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(windowStart)
	s := openTest(t, server, clock)
	defer s.Close()
	f := &readBatch{}
	add := func(app, token string) {
		f.Waiters = append(f.Waiters, &read{
			key: []byte(classicKeys(s).session(app, token)), prefixEnd: len(classicKeys(s).prefix(app)), Wait: wire.NewWait(),
		})
	}
	one, two, other := create(t, s, "app", "one", 1000), create(t, s, "app", "two", 1000), create(t, s, "other", "one", 1000)
	ending := store.NewToken("ending")
	if _, err := s.Create(context.Background(), "other", ending, store.New{ID: "ending", IP: "::1", TTL: 100, NoResave: true}); err != nil {
		t.Fatal(err)
	}
	missing := store.NewToken("nobody")
	clock.Advance(7)
	for range 3 {
		add("app", one)
		add("other", other)
		add("app", missing)
		add("other", ending)
		add("other", ending)
	}
	add("app", two)
	reads := f.Waiters
	f.Waiters = append([]*read(nil), reads...)
	plainReader(s).batches.batcher.Carry(f)

	type answer struct {
		id           string
		r, ttl, idle int64
		err          error
	}
	var got []answer
	for _, q := range reads {
		got = append(got, answer{q.session.ID, q.session.R, q.session.TTL, q.session.Idle, q.err})
	}
	var want []answer
	for i := range int64(3) {
		idle := int64(0)
		if i == 0 {
			idle = 7
		}
		want = append(want,
			answer{"one", 1 + i, 1000, idle, nil},
			answer{"one", 1 + i, 1000, idle, nil},
			answer{"", 0, 0, 0, store.ErrNotFound},
			answer{"ending", 1 + 2*i, 93, idle, nil},
			answer{"ending", 2 + 2*i, 93, 0, nil})
	}
	want = append(want, answer{"two", 1, 1000, 7, nil})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the batch answers\n%v, not\n%v", got, want)
	}
	for _, s := range []struct{ key, r, m string }{
		{classicKeys(s).session("app", one), "4", "5"}, {classicKeys(s).session("other", other), "4", "5"},
		{classicKeys(s).session("other", ending), "7", "8"}, {classicKeys(s).session("app", two), "2", "3"},
	} {
		if h := enginetest.Hash(t, server, s.key); h["r"] != s.r || h["m"] != s.m {
			t.Errorf("the hash is %v, not r %s and m %s", h, s.r, s.m)
		}
	}
	checkIndexes(t, server, s)
}

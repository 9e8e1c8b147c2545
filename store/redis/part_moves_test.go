package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/redis/redistest"
	"rest-sessions/store/storetest"
)

// TestPartsAfterNodeAndRotate lists an app in parts. Meanwhile, in the second in which
// the list began, a Node server reads a session that comes later in it, so that it comes
// before, with an entry of whole seconds; and a rotation gives that a fraction.
func TestPartsAfterNodeAndRotate(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	token := strings.Repeat("z", store.TokenLen)
	if _, err := s.Create(ctx, "app", token, store.New{ID: "read", IP: "::1", TTL: 7200}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(30)
	for i := range 5 {
		create(t, s, "app", "user"+strconv.Itoa(i), 7200)
	}
	times := 0
	for _, session := range parts(t, s, "app", 1000, 2, func(n int, _ store.Cursor) {
		if n > 1 {
			return
		}
		now := strconv.FormatInt(clock.Now(), 10)
		server.Do(t, "ZADD", s.keys.sessions("app"), now, token+":read")
		server.Do(t, "HSET", s.keys.session("app", token), "la", now, "r", "2")
		if _, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 10); err != nil {
			t.Fatal(err)
		}
	}) {
		if session.ID == "read" {
			times++
		}
	}
	if times == 0 {
		t.Error("a session that was there throughout is not listed")
	}
}

// TestPartsBehindTheWalk lists an app, and moves a session that the walk is still to meet
// to behind it without an activity that its hash tells of: as another list that began in
// the same second does when it marks it, and as a Node server does that reads it after
// one second.
func TestPartsBehindTheWalk(t *testing.T) {
	server := redistest.Start(t)
	for _, c := range []struct {
		name string
		idle int64
		move func(ctx context.Context, other *listPart, of part, start int64, token string) error
	}{
		{"marked", 0, func(ctx context.Context, other *listPart, of part, start int64, token string) error {
			return other.mark(ctx, &store.Cursor{Start: start}, []latestHit{{la: start / 1e6, member: token + ":moved", of: of}})
		}},
		{"read by Node", 1, func(_ context.Context, _ *listPart, of part, start int64, token string) error {
			server.Do(t, "ZADD", of.sessions(), strconv.FormatInt(start/1e6, 10), token+":moved")
			server.Do(t, "HINCRBY", of.session(token), "r", "1")
			return nil
		}},
	} {
		clock := storetest.NewClock(1_700_000_040) // the start of a window
		s := openTest(t, server, clock)
		defer s.Close()
		ctx := context.Background()
		token := create(t, s, "app", "moved", 7200)
		clock.Advance(30)
		if _, err := s.Get(ctx, "app", token); err != nil { // which the index does not say
			t.Fatal(err)
		}
		for i := range 30 {
			create(t, s, "app", "user"+strconv.Itoa(i), 7200)
		}
		clock.Advance(c.idle)
		first := s.PartOfApp(ctx, "app", 1000, 100, "").(*listPart)
		second := s.PartOfApp(ctx, "app", 1000, 100, "").(*listPart)
		l, err := s.layout(ctx)
		if err != nil {
			t.Fatal(err)
		}
		of := l.parts("app")
		start, err := first.now(ctx, of)
		if err != nil {
			t.Fatal(err)
		}
		cursor := store.Cursor{Stage: store.ByActivity, LastActivity: clock.Now() + 1, Token: lowestToken}
		if cursor.Start, err = second.now(ctx, of); err != nil || cursor.Start <= start {
			t.Fatal(start, cursor.Start, err)
		}
		w := &walk{of: of[0], score: strconv.FormatInt(clock.Now()+2, 10)}
		for step := 0; !w.done; step++ {
			if err := second.step(ctx, w, &cursor, 1000, 10); err != nil {
				t.Fatal(err)
			}
			for _, h := range w.hits {
				if h.token() == token {
					t.Fatalf("%s: the walk met the session: this test is to no purpose", c.name)
				}
			}
			if step == 0 {
				if err := c.move(ctx, first, of[0], start, token); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := second.moved(ctx, of, &cursor); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(second.left, token) {
			t.Errorf("%s: a session that was there throughout is not listed", c.name)
		}
	}
}

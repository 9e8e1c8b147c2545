package redis

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// TestSlowListWhileRotated rotates sessions that a list has found and not read yet,
// and reads those later than Redis keeps what leads to their new tokens. They were
// missing in the list.
func TestSlowListWhileRotated(t *testing.T) {
	for name, of := range map[string]struct {
		id   func(i int) string
		open func(s *Store) store.List
	}{
		"soapp": {strconv.Itoa, func(s *Store) store.List { return s.SessionsOfApp(context.Background(), "app", 600) }},
		"soid":  {func(int) string { return "user" }, func(s *Store) store.List { return s.SessionsOfID(context.Background(), "app", "user") }},
	} {
		t.Run(name, func(t *testing.T) { slowListWhileRotated(t, of.id, of.open) })
	}
}

func slowListWhileRotated(t *testing.T, id func(i int) string, open func(s *Store) store.List) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	c := &stillTime{at: time.Unix(1_700_000_000, 0)}
	s.client.Clock = c.clock()
	ctx := context.Background()
	const n = 5 * chunkSize
	tokens := map[string]string{} // by ip
	for i := range n {
		ip := strconv.Itoa(i)
		tokens[ip] = store.NewToken(id(i))
		if _, err := s.Create(ctx, "app", tokens[ip], store.New{ID: id(i), IP: ip, TTL: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	left := func(seen map[string]int) (ips []string) {
		for ip := range tokens {
			if seen[ip] == 0 {
				ips = append(ips, ip)
			}
		}
		return ips
	}
	rotate := func(ip string) {
		t.Helper()
		fresh, _, err := s.Rotate(ctx, "app", tokens[ip], store.NewTokenLike(tokens[ip]), 0)
		if err != nil {
			t.Fatal(err)
		}
		server.Do(t, "DEL", classicKeys(s).session("app", tokens[ip])) // as 61 s later
		tokens[ip] = fresh
	}
	seen := map[string]int{}
	list := open(s)
	for chunk := 1; ; chunk++ {
		sessions, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range sessions {
			seen[session.IP]++
		}
		if chunk > 2 {
			continue
		}
		clock.Advance(store.MaxGrace)
		c.at = c.at.Add(store.MaxGrace * time.Second)
		ips := left(seen)
		for _, ip := range ips[:50] {
			rotate(ip)
		}
		for _, ip := range ips[50:60] { // these have really ended
			if err := second(s.Kill(ctx, "app", tokens[ip])); err != nil {
				t.Fatal(err)
			}
			delete(tokens, ip)
		}
	}
	for ip := range tokens {
		if seen[ip] != 1 {
			t.Errorf("session %s was listed %d times", ip, seen[ip])
		}
	}
	if len(seen) != len(tokens) {
		t.Errorf("listed %d sessions, %d are there", len(seen), len(tokens))
	}
}

// TestListMeetsRotated rotates sessions while a list finds them, so that it finds them
// under two tokens.
func TestListMeetsRotated(t *testing.T) {
	const start = 1000
	var entries []entry
	old := func(la int64) entry { return entry{la, store.PackToken(store.NewToken("user"))} }
	fresh := func(h entry, la int64) entry { return entry{la, store.PackToken(store.NewTokenLike(h.token.String()))} }
	var want []entry
	for i := range int64(100) {
		h := old(start - 50 + i)
		entries = append(entries, h)
		switch i % 4 {
		case 0: // rotated twice
			entries = append(entries, fresh(h, start+10+i))
			h = fresh(h, start+100+i)
			entries = append(entries, h)
		case 1: // met again since it was active
			h.la = start + 60 + i
			entries = append(entries, h)
		}
		want = append(want, h)
	}
	got := inOrder(entries, start)
	if want = inOrder(want, start+1000); len(got) != len(want) {
		t.Fatalf("%d sessions, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("at %d is %v, want %v", i, got[i], want[i])
		}
	}
}

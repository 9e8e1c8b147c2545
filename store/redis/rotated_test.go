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
	"rest-sessions/store/redis/internal/list"
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
	const n = 5 * list.ChunkSize
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
	l := open(s)
	for chunk := 1; ; chunk++ {
		sessions, err := l.Next(ctx)
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

// TestBigUserWhileRotated rotates sessions of a user whose tokens are walked in
// chunks, once they were listed: none of them is listed again.
func TestBigUserWhileRotated(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	const n = list.WholeUser + 500
	tokens := map[string]string{} // by ip
	for i := range n {
		token, ip := store.NewToken("user"), strconv.Itoa(i)
		if _, err := s.Create(ctx, "app", token, store.New{ID: "user", IP: ip, TTL: 100}); err != nil {
			t.Fatal(err)
		}
		tokens[ip] = token
	}
	seen := map[string]bool{}
	for l := s.SessionsOfID(ctx, "app", "user"); ; {
		chunk, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range chunk {
			if seen[session.IP] {
				t.Errorf("session %s is listed again", session.IP)
			}
			seen[session.IP] = true
			if _, _, err := s.Rotate(ctx, "app", tokens[session.IP], store.NewTokenLike(tokens[session.IP]), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != n {
		t.Errorf("listed %d sessions of %d", len(seen), n)
	}
}

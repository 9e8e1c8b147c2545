package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// everyMethod calls each method of s and returns the errors by name.
func everyMethod(s store.Store, token string) map[string]error {
	ctx := context.Background()
	errs := map[string]error{}
	_, errs["Get"] = s.Get(ctx, "app", token)
	_, errs["Set"] = s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}})
	_, errs["GetWith"] = s.GetWith(ctx, "app", token)
	_, errs["Peek"] = s.Peek(ctx, "app", token)
	_, errs["Touch"] = s.Touch(ctx, "app", token, 100, 200)
	_, errs["SetIf"] = s.SetIf(ctx, "app", token, 2, store.Data{{Key: `"a"`, Value: "2"}})
	_, errs["KillHandle"] = s.KillHandle(ctx, "app", "user", store.Handle(token))
	_, errs["Move"] = s.Move(ctx, "app", token, store.NewToken("u"), store.Move{ID: "u", MaxSessions: 3})
	for i := range 3 { // on a cluster some of them are on other nodes
		id := fmt.Sprint("mover", i)
		moving := store.NewToken(id)
		s.Create(ctx, "app", moving, store.New{ID: id, IP: "::1", TTL: 100})
		_, errs["Move of "+id] = s.Move(ctx, "app", moving, store.NewToken("u"), store.Move{ID: "u", MaxSessions: 3})
	}
	_, _, errs["Rotate"] = s.Rotate(ctx, "app", token, store.NewTokenLike(token), 10)
	_, errs["Create"] = s.Create(ctx, "app", store.NewToken("u"), store.New{ID: "u", IP: "::1", TTL: 100})
	_, errs["Kill"] = s.Kill(ctx, "app", token)
	_, errs["KillID"] = s.KillID(ctx, "app", "user", "")
	_, errs["KillApp"] = s.KillApp(ctx, "app")
	_, errs["Activity"] = s.Activity(ctx, "app", 60)
	_, errs["SessionsOfApp"] = s.SessionsOfApp(ctx, "app", 60).Next(ctx)
	_, errs["SessionsOfID"] = s.SessionsOfID(ctx, "app", "user").Next(ctx)
	_, errs["Wipe"] = s.Wipe(ctx)
	errs["Ping"] = s.Ping(ctx)
	return errs
}

func checkUnavailable(t *testing.T, s store.Store, token string) {
	t.Helper()
	for method, err := range everyMethod(s, token) {
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestKilledAndBack ends Redis under the store. Every method is unavailable until
// it is back, and then serves without being opened again.
func TestKilledAndBack(t *testing.T) {
	server := redistest.Start(t)
	s, log := openLogged(t, server.Port(), testTimeout)
	token := create(t, s, "app", "user", 100)
	server.Stop()
	checkUnavailable(t, s, token)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is back and the store serves", func() bool { return s.Ping(context.Background()) == nil })
	// It came back empty, which only Redis can say.
	if _, err := s.Get(context.Background(), "app", token); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after an empty restart: %v", err)
	}
	if got := log.String(); strings.Count(got, "cannot be used") != 1 || strings.Count(got, "can be used") != 1 {
		t.Errorf("the log should say once that Redis has gone and once that it is back:\n%s", got)
	}
}

// TestDownAtStart opens a store on an address where nothing listens yet.
func TestDownAtStart(t *testing.T) {
	server := redistest.Start(t)
	server.Stop()
	s, _ := openLogged(t, server.Port(), testTimeout)
	checkUnavailable(t, s, store.NewToken("user"))
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is there and the store serves", func() bool { return s.Ping(context.Background()) == nil })
	create(t, s, "app", "user", 100)
}

// TestSilent stops Redis without closing its connections: each call must give up
// by itself, many at once too.
func TestSilent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, _ := openLogged(t, server.Port(), briefTimeout)
	token := patiently(t, server, "app", "user", 100)
	eventually(t, "Redis is reached", func() bool { _, err := s.Get(t.Context(), "app", token); return err == nil })
	server.Pause()
	var wg sync.WaitGroup
	for range 3 * 512 {
		wg.Go(func() {
			if _, err := s.Get(context.Background(), "app", token); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a silent Redis: %v", err)
			}
		})
	}
	wg.Wait()
	checkUnavailable(t, s, token)
	server.Resume()
	eventually(t, "Redis speaks and the store serves", func() bool { return s.Ping(context.Background()) == nil })
	eventually(t, "the session is there after the silence", func() bool {
		_, err := s.Get(context.Background(), "app", token)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// TestRefusals lets Redis say that it cannot serve.
func TestRefusals(t *testing.T) {
	server := redistest.Start(t)
	s, _ := openLogged(t, server.Port(), testTimeout)
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)

	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get out of memory: %v", err)
	}
	if _, err := s.Create(ctx, "app", store.NewToken("u"), store.New{ID: "u", IP: "::1", TTL: 100}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("create out of memory: %v", err)
	}
	if killed, err := s.Kill(ctx, "app", token); !killed || err != nil {
		t.Errorf("kill out of memory, which would free some: %v %v", killed, err)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")

	token = create(t, s, "app", "user", 100)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a master that never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	server.Do(t, "REPLICAOF", "127.0.0.1", port)
	for _, method := range []string{"Get", "Set", "Create", "Kill", "KillID", "KillApp", "Wipe"} {
		if err := everyMethod(s, token)[method]; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s on a replica: %v", method, err)
		}
	}
	server.Do(t, "REPLICAOF", "NO", "ONE")
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Errorf("after it is a master again: %v", err)
	}

	server.Do(t, "SCRIPT", "FLUSH")
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Errorf("after SCRIPT FLUSH: %v", err)
	}
}

// TestFault tells what is wrong with stored data from an outage.
func TestFault(t *testing.T) {
	server := redistest.Start(t)
	s, _ := openLogged(t, server.Port(), testTimeout)
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	for _, d := range []string{`[1]`, `{"a"`, `{"a":1`, `{"a":1}x`, `{"a":{"b":1}`, `{"a":[1}`, `{"a" :1}`, `x`} {
		server.Do(t, "HSET", classicKeys(s).session("app", token), "d", d)
		_, err := s.Set(ctx, "app", token, store.Data{{Key: `"b"`, Value: "1"}})
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("set on d = %s: %v", d, err)
		}
		if got := server.Do(t, "HGET", classicKeys(s).session("app", token), "w"); got != "1" {
			t.Errorf("set on d = %s counted: w is %v", d, got)
		}
	}
	other := store.NewToken("other")
	server.Do(t, "SET", classicKeys(s).session("app", other), "x")
	if _, err := s.Get(ctx, "app", other); err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get of what is no hash: %v", err)
	}
}

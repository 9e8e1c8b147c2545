package redis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestFailsFast stops Redis. Callers wait for their time, once; then none does until
// Redis goes on, and soon after that all are served.
func TestFailsFast(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, log := openLogged(t, server.Port(), briefTimeout)
	ctx := context.Background()
	token := patiently(t, server, "app", "user", 100)
	eventually(t, "Redis is reached", func() bool { _, err := s.Get(ctx, "app", token); return err == nil && s.Writable() })
	before := log.String() // of a machine that stood still
	server.Pause()
	start := time.Now()
	eventually(t, "the breaker opens", func() bool {
		s.Get(ctx, "app", token)
		return s.client.Refused() != nil
	})
	// A timeout, and two probes of a quarter of a second; the call that had begun; and as much
	// for a machine that stands still.
	if took := time.Since(start); took > 5*s.timeout {
		t.Errorf("it opened after %v", took)
	}
	start = time.Now()
	for range 100 {
		checkUnavailable(t, s, token)
	}
	// Had one of each round waited, it would be a hundred timeouts.
	if took := time.Since(start); took > 10*s.timeout {
		t.Errorf("100 calls of each method took %v while Redis was known not to answer", took)
	}
	server.Resume()
	start = time.Now()
	eventually(t, "it serves", func() bool { _, err := s.Get(ctx, "app", token); return err == nil })
	if took := time.Since(start); took > backWithin {
		t.Errorf("it served again after %v", took)
	}
	got := strings.TrimPrefix(strings.TrimPrefix(log.String(), before), "\n")
	if strings.Count(got, "\n") != 1 || strings.Count(got, "cannot be used") != 1 || strings.Count(got, "can be used") != 1 {
		t.Errorf("the log should have a line when Redis does not answer and one when it does again, no more:\n%s", got)
	}
}

// TestRefusalIsAnAnswer has Redis refuse what it is asked: the breaker stays closed, and
// the log says it once, also when some commands are carried out in between.
func TestRefusalIsAnAnswer(t *testing.T) {
	server := redistest.Start(t)
	s, log := openLogged(t, server.Port(), testTimeout)
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	eventually(t, "the write of the start is done", s.Writable)
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	for i := range 50 {
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("get out of memory: %v", err)
		}
		if i == 0 {
			eventually(t, "it is known that writes fail", func() bool { return !s.Writable() })
		}
		if err := s.Ping(ctx); i > 0 && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ping out of memory: %v", err)
		}
	}
	// The same of one that answers even PING with an error.
	server.Do(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
	server.Do(t, "REPLICAOF", "127.0.0.1", "1") // nobody listens there
	if err := s.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping of a replica that has lost its master: %v", err)
	}
	if err := s.client.Probe(ctx); err != nil {
		t.Errorf("an error is an answer too: %v", err)
	}
	if s.client.Refused() != nil {
		t.Error("a Redis that answers was suspected not to")
	}
	if got := log.String(); strings.Count(got, "\n") != 0 || !strings.Contains(got, "cannot be used") {
		t.Errorf("one line was expected:\n%s", got)
	}
}

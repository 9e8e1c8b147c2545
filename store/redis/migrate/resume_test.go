package migrate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// TestResume interrupts a run again and again.
func TestResume(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], "")}
	from, to := open(t, o.From), open(t, o.To)
	const sessions = 1500
	tokens := createMany(t, from, "shop", sessions)
	runs := 0
	for n := 0; n < sessions; n = notes(t, o) {
		// A run loses at most what it was writing when it was interrupted.
		if runs++; runs > 8 {
			t.Fatalf("%d runs of 400 sessions each have copied %d of %d", runs-1, n, sessions)
		}
		ctx, stop := context.WithCancel(context.Background())
		seen := 0
		o.Progress = quiet{func(n int64) {
			if seen += int(n); seen >= 400 {
				stop()
			}
		}}
		if _, err := run(t, ctx, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("an interrupted run: %v", err)
		}
		stop()
	}
	// The pass that goes on was there already.
	if _, err := from.Set(context.Background(), "shop", tokens[0], store.Data{{Key: `"late"`, Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	o.Progress, o.Last = nil, true
	said, err := run(t, context.Background(), o)
	want(t, said, err, "shop: 1500 live in the source, 1500 copies", "complete")
	for i, token := range tokens {
		if s := get(t, to, "shop", token); i == 0 && s.W != 2 {
			t.Errorf("what was written during the pass is lost: %+v", s)
		}
	}
}

// notes counts the copies noted in the target.
func notes(t *testing.T, o Options) int {
	t.Helper()
	s, err := openTarget(o.To)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	buckets, err := s.buckets(context.Background(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range buckets {
		tokens, _, err := s.copies(context.Background(), b, "0")
		if err != nil {
			t.Fatal(err)
		}
		n += len(tokens)
	}
	return n
}

// TestRedisFails takes the target away in the middle.
func TestRedisFails(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	server, target := redistest.Start(t), redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	o := Options{From: at(t, server, ""), To: at(t, target, "")}
	from := open(t, o.From)
	createMany(t, from, "shop", 1000)
	var once sync.Once
	o.Progress = quiet{func(int64) { once.Do(target.Stop) }}
	o.To.Timeout = 300 * time.Millisecond
	if _, err := run(t, context.Background(), o); !unavailable(err) {
		t.Fatalf("with its target gone: %v", err)
	}
	if err := target.Restart(); err != nil {
		t.Fatal(err)
	}
	patience = 10 * time.Second
	o.Progress, o.Last = nil, true
	said, err := run(t, context.Background(), o)
	want(t, said, err, "1000 live in the source, 1000 copies", "complete")
}

// TestEmptied holds that a source which has lost its data does not end the copies.
func TestEmptied(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], "")}
	from, to := open(t, o.From), open(t, o.To)
	token := create(t, from, "shop", "user")
	if _, err := run(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "FLUSHALL")
	if _, err := run(t, context.Background(), o); err == nil || !strings.Contains(err.Error(), "no sessions") {
		t.Errorf("with an empty source: %v", err)
	}
	// It may also lose them during the run.
	create(t, from, "shop", "user")
	o.Progress = quiet{func(int64) { server.Call("FLUSHALL") }}
	if _, err := run(t, context.Background(), o); err != errEmptied {
		t.Errorf("with a source that is emptied: %v", err)
	}
	get(t, to, "shop", token)
}

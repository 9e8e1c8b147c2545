package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// TestBatches lets many read at once: they share script calls, and each gets its
// own session, of whichever app, as often as it asks.
func TestBatches(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	const readers, rounds, sessions = 64, 50, 20
	var apps, tokens, ids []string
	for i := range sessions {
		app, id := "app"+strconv.Itoa(i%3), "user"+strconv.Itoa(i)
		apps, ids = append(apps, app), append(ids, id)
		tokens = append(tokens, create(t, s, app, id, 1000))
	}
	// Some tokens are not there, and one session cannot be read.
	missing := store.NewToken("nobody")
	broken := store.NewToken("broken")
	server.Do(t, "SET", classicKeys(s).session("app0", broken), "not a hash")

	before := calls(t, server)["evalsha"]
	var wg sync.WaitGroup
	start := make(chan struct{})
	for reader := range readers {
		wg.Go(func() {
			<-start
			for round := range rounds {
				i := (reader + round) % sessions
				got, err := s.Get(ctx, apps[i], tokens[i])
				if err != nil || got.ID != ids[i] {
					t.Errorf("%s got %q, %v", ids[i], got.ID, err)
				}
				if _, err := s.Get(ctx, "app1", missing); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("a missing session: %v", err)
				}
				if round == rounds/2 {
					if _, err := s.Get(ctx, "app0", broken); err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
						t.Errorf("what is no hash: %v", err)
					}
				}
			}
		})
	}
	close(start)
	wg.Wait()
	// How many share one is a matter of the machine, unless they come while one is in flight.
	t.Logf("%d script calls for %d reads of %d readers", calls(t, server)["evalsha"]-before, readers*rounds*2+readers, readers)
	before = calls(t, server)["evalsha"]
	server.Pause()
	var coming atomic.Int64
	for range readers {
		wg.Go(func() {
			coming.Add(1)
			if _, err := s.Get(ctx, "app1", missing); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a missing session: %v", err)
			}
		})
	}
	eventually(t, "all have come", func() bool { return coming.Load() == readers })
	time.Sleep(50 * time.Millisecond) // and wait
	server.Resume()
	wg.Wait()
	if n := calls(t, server)["evalsha"] - before; n > readers/2 {
		t.Errorf("%d script calls for the reads of %d readers at once", n, readers)
	}
	total := int64(0)
	for i := range tokens {
		got, err := s.Get(ctx, apps[i], tokens[i])
		if err != nil {
			t.Fatal(err)
		}
		total += got.R - 1
	}
	if total != readers*rounds {
		t.Errorf("%d reads are counted, of %d", total, readers*rounds)
	}
}

// TestBrokenSession reads sessions whose hashes somebody spoilt, in one batch with
// one that is whole: each is a fault of its own, and the whole one is read.
func TestBrokenSession(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	spoilt := [][2]string{
		{"r", "many"}, {"r", "1.5"}, {"r", "99999999999999999999"}, {"w", "1 2"}, {"w", "-"}, {"ttl", "x"}, {"ttl", "inf"},
		{"ttl", "nan"}, {"ttl", "1e30"}, {"la", "x"}, {"la", "-1"}, {"la", "nan"},
	}
	b := &readBatch{}
	add := func(id string) string {
		token := create(t, s, "app", id, 1000)
		b.Waiters = append(b.Waiters, &read{
			key: []byte(classicKeys(s).session("app", token)), prefixEnd: len(classicKeys(s).prefix("app")), Wait: wire.NewWait(),
		})
		return classicKeys(s).session("app", token)
	}
	for i, field := range spoilt {
		// Twice, as idle for no time and as idle for ten seconds: the script writes
		// in other ways.
		for _, la := range []string{"", "10"} {
			key := add("spoilt" + strconv.Itoa(i))
			if la != "" {
				old, _ := strconv.ParseInt(fmt.Sprint(server.Do(t, "HGET", key, "la")), 10, 64)
				server.Do(t, "HSET", key, "la", strconv.FormatInt(old-10, 10))
			}
			server.Do(t, "HSET", key, field[0], field[1])
			add("whole")
		}
	}
	reads := slices.Clone(b.Waiters)
	plainReader(s).batches.batcher.Carry(b)
	for i, q := range reads {
		if field := spoilt[i/4]; i%2 == 0 {
			if q.err == nil || errors.Is(q.err, store.ErrNotFound) || errors.Is(q.err, store.ErrUnavailable) {
				t.Errorf("%s = %s: %+v, %v", field[0], field[1], q.session, q.err)
			}
		} else if q.err != nil || q.session.ID != "whole" {
			t.Errorf("beside %s = %s: %+v, %v", field[0], field[1], q.session, q.err)
		}
	}
}

// TestLoneRead checks that a read without company is one call, at once.
func TestLoneRead(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	token := create(t, s, "app", "user", 1000)
	const n = 50
	before := calls(t, server)["evalsha"]
	for range n {
		if _, err := s.Get(context.Background(), "app", token); err != nil {
			t.Fatal(err)
		}
	}
	if got := calls(t, server)["evalsha"] - before; got != n {
		t.Errorf("%d calls for %d reads, one after the other", got, n)
	}
	eventually(t, "nobody waits", plainReader(s).batches.batcher.Idle)
}

// TestGivingUp lets readers give up while their batch is on its way to a silent
// Redis, by their contexts and by the clock, and others read with what they left:
// nobody may get another's session.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, _ := openLogged(t, server.Port(), briefTimeout)
	patient, _ := openLogged(t, server.Port(), testTimeout)
	const sessions = 100
	var tokens []string
	for i := range sessions {
		tokens = append(tokens, create(t, patient, "app", "user"+strconv.Itoa(i), 1000))
	}
	for range 3 {
		server.Pause()
		var wg sync.WaitGroup
		for i := range 2 * sessions {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if i%2 == 0 {
					time.AfterFunc(20*time.Millisecond, cancel)
				}
				if _, err := s.Get(ctx, "app", tokens[i%sessions]); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("a silent Redis: %v", err)
				}
			})
		}
		wg.Wait()
		server.Resume()
		eventually(t, "Redis speaks and the store serves", func() bool { return s.Ping(context.Background()) == nil })
		for i := range 2 * sessions {
			wg.Go(func() {
				id := "user" + strconv.Itoa(i%sessions)
				if got, err := s.Get(context.Background(), "app", tokens[i%sessions]); err == nil && got.ID != id {
					t.Errorf("%s got the session of %s", id, got.ID)
				} else if errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s is said to be missing", id)
				}
			})
		}
		wg.Wait()
	}
	eventually(t, "nobody looks for late readers of none", plainReader(s).batches.batcher.Idle)
}

// TestBigReplies checks that sessions with much data go in small batches.
func TestBigReplies(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	ctx := context.Background()
	const size = 50_000
	token := store.NewToken("user")
	d := store.Data{{Key: `"a"`, Value: `"` + fmt.Sprintf("%0*d", size, 0) + `"`}}
	if _, err := s.Create(ctx, "app", token, store.New{ID: "user", IP: "::1", TTL: 1000, Data: d}); err != nil {
		t.Fatal(err)
	}
	for range 100 { // until the mean is known
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
	}
	n := plainReader(s).batches.most()
	if most := readBytes*int(callTime/readTime)/size + 1; n > most {
		t.Errorf("a batch of %d sessions of %d bytes, where %d fill it", n, size, most)
	}
}

// plainReader is the reader of one Redis.
func plainReader(s *Store) *reader { return s.readers[layout.ClassicGroup].plain }

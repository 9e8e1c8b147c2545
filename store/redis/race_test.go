package redis

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// subscriber tells what is published on channel until ctx ends.
func subscriber(ctx context.Context, s *Store, channel string, subscribed chan<- struct{}, told chan<- string) {
	conn, err := s.client.Current(ctx)
	if err != nil {
		panic(err)
	}
	client, release := conn.Client.Dedicate()
	defer release()
	wait := client.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(rueidis.PubSubSubscription) { close(subscribed) },
		OnMessage:      func(m rueidis.PubSubMessage) { told <- m.Message },
	})
	client.Do(ctx, client.B().Subscribe().Channel(channel).Build())
	select {
	case <-wait:
	case <-ctx.Done():
	}
}

// TestSetAgainstKill races set and kill on a session a thousand times: a set that
// comes late must not bring half a session back.
func TestSetAgainstKill(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	for i := range 1000 {
		token := create(t, s, "app", "user"+strconv.Itoa(i%10), 60)
		var wg sync.WaitGroup
		for _, f := range []func() error{
			func() error { _, err := s.Set(ctx, "app", token, store.Data{{Key: `"a"`, Value: "1"}}); return err },
			func() error { _, err := s.Kill(ctx, "app", token); return err },
			func() error { _, err := s.Get(ctx, "app", token); return err },
		} {
			wg.Go(func() {
				if err := f(); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("round %d: the killed session answers (%v)", i, err)
		}
	}
	checkIndexes(t, server, s)
	clock.Advance(3600)
	if _, err := s.Wipe(ctx); err != nil {
		t.Fatal(err)
	}
	checkIndexes(t, server, s)
}

// TestWipers runs several wipers at once over sessions of which half are kept
// alive.
func TestWipers(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	ctx := context.Background()
	const n = 500
	var live []string
	for i := range n {
		token := create(t, s, "app", "user"+strconv.Itoa(i), 100)
		if i%2 == 0 {
			live = append(live, token)
		}
	}
	clock.Advance(90)
	for _, token := range live {
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(60)
	var wg sync.WaitGroup
	var mu sync.Mutex
	wiped := int64(0)
	for range 4 {
		wg.Go(func() {
			k, err := s.Wipe(ctx)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			wiped += k
			mu.Unlock()
		})
	}
	for _, token := range live {
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if wiped != n-int64(len(live)) {
		t.Errorf("wiped %d of %d, with %d alive", wiped, n, len(live))
	}
	checkIndexes(t, server, s)
}

// waitTimeout is how long a test polls for what must come by itself.
const waitTimeout = time.Minute

// eventually polls until ok.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(waitTimeout); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", waitTimeout, what)
		}
	}
}

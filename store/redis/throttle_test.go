package redis

import (
	"context"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/list"
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/storetest"
)

// stillTime is time for throttles: it goes on by each wait, and by what a test adds.
type stillTime struct {
	at    time.Time
	waits []time.Duration
}

func (c *stillTime) clock() wire.Clock {
	return wire.Clock{
		Now: func() time.Time { return c.at },
		After: func(d time.Duration) <-chan time.Time {
			c.waits = append(c.waits, d)
			c.at = c.at.Add(d)
			done := make(chan time.Time, 1)
			done <- c.at
			return done
		},
	}
}

// slowRedis lets each round trip take a second of a stillTime.
type slowRedis struct {
	unobserved
	time *stillTime
}

func (r slowRedis) RoundTrip(time.Duration) { r.time.at = r.time.at.Add(time.Second) }

// TestLongOperationsArePaced looks that each operation of many steps waits between
// them, and none that has but few.
func TestLongOperationsArePaced(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, storetest.NewClock(1_700_000_040))
	defer s.Close()
	ctx := context.Background()
	c := &stillTime{at: time.Unix(1_700_000_000, 0)}
	s.client.Clock, s.client.Observer = c.clock(), slowRedis{time: c}
	const many = list.WholeUser + list.ChunkSize
	read := func(l store.List) error { countSessions(t, l); return nil }
	for _, o := range []struct {
		name string
		run  func(app string) error
		few  int // most waits of one with 10 sessions
	}{
		{"soapp", func(app string) error { return read(s.SessionsOfApp(ctx, app, 60)) }, 1}, // index, then hashes
		{"soid", func(app string) error { return read(s.SessionsOfID(ctx, app, "user")) }, 0},
		{"page of soapp", func(app string) error { return read(s.PageOfApp(ctx, app, 60, many, "")) }, 1}, // latest, sessions
		{"page of soid", func(app string) error { return read(s.PageOfID(ctx, app, "user", many, "")) }, 1},
		{"create", func(app string) error {
			_, err := s.Create(ctx, app, store.NewToken("user"), store.New{ID: "user", IP: "::1", TTL: 1000, MaxSessions: 10})
			return err
		}, 0},
		{"killsoid", func(app string) error { return second(s.KillID(ctx, app, "user", "")) }, 0},
		{"killall", func(app string) error { return second(s.KillApp(ctx, app)) }, 0},
	} {
		for app, n := range map[string]int{"few": 10, "many": many} {
			for have := countSessions(t, s.SessionsOfID(ctx, app, "user")); have < n; have++ {
				create(t, s, app, "user", 1000)
			}
			c.waits = nil
			if err := o.run(app); err != nil {
				t.Fatal(err)
			}
			if waits := len(c.waits); app == "few" && waits > o.few || app == "many" && waits <= o.few {
				t.Errorf("%s of %d sessions waits %d times", o.name, n, waits)
			}
		}
	}
}

// TestWipeIsPaced is the same for the wiper.
func TestWipeIsPaced(t *testing.T) {
	server := redistest.Start(t)
	clock := storetest.NewClock(1_700_000_040)
	s := openTest(t, server, clock)
	defer s.Close()
	c := &stillTime{at: time.Unix(1_700_000_000, 0)}
	s.client.Clock, s.client.Observer = c.clock(), slowRedis{time: c}
	for _, steps := range []int{1, 4} {
		for range steps*stepSize - 1 {
			create(t, s, "app", "user", 10)
		}
		clock.Advance(60)
		c.waits = nil
		if n, err := s.Wipe(context.Background()); n != int64(steps*stepSize-1) || err != nil {
			t.Errorf("wiped %d, %v", n, err)
		}
		if len(c.waits) != steps-1 {
			t.Errorf("%d steps, %d waits", steps, len(c.waits))
		}
	}
}

package redis

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// stepSize is how many sessions a script removes in one call: Redis is held for
// about a third of a millisecond (a removal costs it 13 to 18 us among 100,000
// sessions).
const stepSize = 20

// KillApp implements store.Store.
func (s *Store) KillApp(ctx context.Context, app string) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	var killed atomic.Int64
	var throttle wire.Throttle
	err = wire.EachBucket(ctx, l.Buckets(app), func(ctx context.Context, _ int, b layout.Bucket) error {
		n, err := s.killBucket(ctx, l, b, &throttle)
		killed.Add(n)
		return err
	})
	s.fence(layout.Bucket{})
	if err != nil {
		return 0, err
	}
	return killed.Load(), nil
}

// killBucket ends the sessions of a bucket, step by step.
func (s *Store) killBucket(ctx context.Context, l layout.Layout, b layout.Bucket, throttle *wire.Throttle) (int64, error) {
	keys := []string{b.Sessions(), b.Users(), b.Wipe}
	args := []string{b.App, b.Prefix, b.Cache(), strconv.Itoa(stepSize)}
	for killed := int64(0); ; {
		reply, err := throttle.Run(ctx, s.client, s.scripts.killall, keys, args)
		if err != nil {
			return killed, err
		}
		n, err := reply.ToInt64()
		if err != nil {
			return killed, fmt.Errorf("%w: killall: %w", errReply, err)
		}
		if killed += n; n < stepSize {
			return killed, nil
		}
	}
}

// Wipe implements store.Store. A Redis that answers is asked whether it can evict, too.
func (s *Store) Wipe(ctx context.Context) (int64, error) {
	n, err := s.wipe(ctx)
	if conn := s.client.Made(); err == nil && conn != nil {
		s.eviction.ask(ctx, conn.Client, s.timeout)
	}
	return n, err
}

func (s *Store) wipe(ctx context.Context) (int64, error) {
	l, err := s.layout(ctx)
	if err != nil {
		return 0, err
	}
	var throttle wire.Throttle
	if !l.Sharded() {
		b := layout.Bucket{Wipe: l.ClassicWipe()}
		return s.wipeIndex(ctx, &throttle, []string{b.Wipe}, []string{l.NS, b.Cache(), strconv.Itoa(stepSize)})
	}
	apps, err := s.registry.Mend(ctx, s.client)
	if err != nil {
		return 0, err
	}
	var wiped atomic.Int64
	for _, app := range apps {
		buckets, err := s.dueBuckets(ctx, &throttle, l.Buckets(app))
		if err != nil {
			return wiped.Load(), err
		}
		err = wire.EachBucket(ctx, buckets, func(ctx context.Context, _ int, b layout.Bucket) error {
			n, err := s.wipeBucket(ctx, l, b, &throttle)
			wiped.Add(n)
			return err
		})
		if err != nil {
			return wiped.Load(), err
		}
	}
	return wiped.Load(), nil
}

// dueBuckets returns those buckets in which a wipe would find a session.
func (s *Store) dueBuckets(ctx context.Context, throttle *wire.Throttle, buckets []layout.Bucket) ([]layout.Bucket, error) {
	calls := make([]wire.Command, len(buckets))
	for i, b := range buckets {
		calls[i] = wire.Command{Script: s.scripts.due, Keys: []string{b.Wipe}}
	}
	replies, err := throttle.RunAll(ctx, s.client, calls)
	if err != nil {
		return nil, err
	}
	var due []layout.Bucket
	for i := range replies {
		n, err := replies[i].ToInt64()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errReply, err)
		}
		if n > 0 {
			due = append(due, buckets[i])
		}
	}
	return due, nil
}

// wipeBucket wipes a bucket of the sharded layout.
func (s *Store) wipeBucket(ctx context.Context, l layout.Layout, b layout.Bucket, throttle *wire.Throttle) (int64, error) {
	return s.wipeIndex(ctx, throttle, []string{b.Wipe}, []string{b.Prefix, b.Cache(), strconv.Itoa(stepSize), b.App})
}

// wipeIndex wipes by one index, step by step.
func (s *Store) wipeIndex(ctx context.Context, throttle *wire.Throttle, keys, args []string) (int64, error) {
	for wiped := int64(0); ; {
		reply, err := throttle.Run(ctx, s.client, s.scripts.wipe, keys, args)
		if err != nil {
			return wiped, err
		}
		n, err := reply.AsIntSlice()
		if err != nil || len(n) != 2 {
			return wiped, fmt.Errorf("%w: wipe: %v", errReply, err)
		}
		if wiped += n[0]; n[1] < stepSize {
			return wiped, nil
		}
	}
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/near"
)

// CacheFigures are what near reads tell of themselves.
type CacheFigures = near.Figures

// CacheFigures returns those of now. Options.Cache is set.
func (s *Store) CacheFigures() CacheFigures { return s.near.Figures() }

// returnLate says what came of late reads that went with a read.
func (r *reader) returnLate(app, token string, late near.Late, err error) {
	if late.Reads > 0 {
		r.batches.s.near.Return(app, token, late, outcomeOf(err))
	}
}

// outcomeOf says whether late reads were counted, by the error of the read that they went
// with. By an old token they are counted by themselves, where a read finds no session.
func outcomeOf(err error) near.Outcome {
	switch {
	case err == nil:
		return near.Counted
	case errors.Is(err, store.ErrNotFound):
		return near.NotSent
	}
	return near.Unknown
}

// noCancel cancels nothing.
func noCancel() {}

// countLate brings a session's reads that were answered near to Redis, before a call whose
// answer depends on them. It returns that call's context, and what ends it unless there is
// an error: both together may take the timeout, not each.
func (s *Store) countLate(ctx context.Context, l layout.Layout, b layout.Bucket, app, token string) (context.Context, context.CancelFunc, error) {
	if s.near == nil {
		return ctx, noCancel, nil
	}
	if err := s.client.Refused(); err != nil {
		return nil, nil, err // what is not taken waits, and is not lost
	}
	late, wait := s.near.Take(app, token)
	if late.Reads == 0 && wait == nil {
		return ctx, noCancel, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	for wait != nil {
		select {
		case <-wait:
			late, wait = s.near.Take(app, token)
		case <-ctx.Done():
			cancel()
			return nil, nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
	if err := s.bring(ctx, l, b, app, token, late); err != nil {
		cancel()
		return nil, nil, err
	}
	return ctx, cancel, nil
}

// bring counts late reads by themselves.
func (s *Store) bring(ctx context.Context, l layout.Layout, b layout.Bucket, app, token string, late near.Late) error {
	if late.Reads == 0 {
		return nil
	}
	r, b := s.readerOf(l, b)
	q := r.new(l, b, app, token)
	q.late, q.uncounted = late, true
	if err := r.batches.batcher.Do(ctx, q); err != nil {
		s.near.Return(app, token, late, near.Unknown)
		return err
	}
	err := q.err
	r.release(q)
	if err == store.ErrNotFound { // it has ended
		err = nil
	}
	r.returnLate(app, token, late, err)
	return err
}

// readerOf returns the reader of plain reads of a bucket, and the bucket as it takes it.
func (s *Store) readerOf(l layout.Layout, b layout.Bucket) (*reader, layout.Bucket) {
	if !l.Sharded() {
		return s.readers[layout.ClassicGroup].plain, layout.Bucket{}
	}
	return s.readers[layout.GroupOfSlot(b.Slot)].plain, b
}

// changed has what this server has just changed no longer answered near.
func (s *Store) changed(b layout.Bucket, app, token string, oldToken bool) {
	if s.near == nil {
		return
	}
	if s.near.Drop(app, token); oldToken {
		s.fence(b) // only what was published names the session's own token
	}
}

// fence waits until what was published about a bucket's sessions, or with no bucket about
// any, has been received by this server too.
func (s *Store) fence(b layout.Bucket) {
	if s.near != nil {
		s.near.Fence(b)
	}
}

// sendLate counts late reads, those of a group of slots in one batch.
func (s *Store) sendLate(all []near.Uncounted) {
	conn := s.client.Made()
	var groups [layout.Groups][]*near.Uncounted
	for i := range all {
		u := &all[i]
		if u.Outcome = near.NotSent; conn == nil || s.client.Refused() != nil {
			continue
		}
		group := layout.ClassicGroup
		if conn.Layout.Sharded() {
			group = layout.GroupOfSlot(conn.Layout.OfToken(u.App, u.Token).Slot)
		}
		groups[group] = append(groups[group], u)
	}
	var wg sync.WaitGroup
	for group, some := range groups {
		if len(some) > 0 {
			wg.Go(func() { s.readers[group].plain.sendLate(conn.Layout, some) })
		}
	}
	wg.Wait()
}

func (r *reader) sendLate(l layout.Layout, some []*near.Uncounted) {
	batch := new(readBatch)
	for _, u := range some {
		b := layout.Bucket{}
		if r.batches.sharded {
			b = l.OfToken(u.App, u.Token)
		}
		q := r.new(l, b, u.App, u.Token)
		q.late, q.uncounted = u.Late, true
		batch.Waiters = append(batch.Waiters, q)
	}
	r.batches.batcher.Alone(batch)
	for i, q := range batch.Waiters {
		switch {
		case q.Retry:
			some[i].Outcome = near.NotSent
		case q.err == store.ErrNotFound:
			some[i].Outcome = near.Counted // it has ended
		default:
			some[i].Outcome = outcomeOf(q.err)
		}
		q.Retry = false
		r.release(q)
	}
}

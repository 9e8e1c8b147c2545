package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// shards is the number of shards, a power of two that divides store.Buckets.
// With some hundred requests at once, two seldom meet in one.
const shards = 256

var (
	_ store.Store = (*Store)(nil)

	errForeignToken = errors.New("embedded: the token is not of this user")
	errMalformed    = errors.New("embedded: stored data is not a JSON object without white space")
)

// Options are what a Store can be told. The zero value is for production.
type Options struct {
	// Now returns the time in Unix seconds; nil means the system's clock. It is
	// called with a shard's lock held: it must be quick and not use the Store.
	Now func() int64
	// MaxData is how many bytes of data a session may hold; 0 means
	// store.DefaultMaxData.
	MaxData int
	// Dir is where Open keeps the sessions; New does not look at it, nor at what
	// follows.
	Dir string
	// Timeout bounds the wait for the disk, past which the answer is
	// store.ErrUnavailable; 0 means no bound.
	Timeout time.Duration
	// NoSync leaves out fsync: what was acknowledged then outlives the process, but
	// not the machine. It is for tests.
	NoSync bool
	// Logf gets a line when the disk fails and when it works again; nil for none.
	Logf func(format string, args ...any)
	// Observer may be nil.
	Observer Observer
}

// Observer is told of each commit to the disk. It is called by one goroutine, which
// commits meanwhile no more.
type Observer interface {
	// Commit is told how long one took, also one that failed, and why it was made.
	Commit(took time.Duration, err error)
}

// Store is a store.Store in this process' memory. New makes one that ends with the
// process, Open one whose sessions are on disk too.
type Store struct {
	now     func() int64
	maxData int
	// The seeds are the process' own, so nobody can choose ids or app names that
	// hash alike. They are two because an id may equal an app's name, and the two
	// hashes are combined.
	keySeed, appSeed maphash.Seed
	// hashMask is all ones; tests clear bits to make hashes collide.
	hashMask uint32
	// serial is that of the last session made.
	serial atomic.Uint64
	shards [shards]shard
	// journal and file are nil without a directory.
	journal *journal
	file    *disk.File
	// moves is held by a move, which changes two shards, and while what changed is
	// copied for a commit: so that has all of a move or nothing.
	moves sync.Mutex
}

// New returns an empty Store.
func New(o Options) *Store {
	s := &Store{
		now:      o.Now,
		maxData:  cmp.Or(o.MaxData, store.DefaultMaxData),
		keySeed:  maphash.MakeSeed(),
		appSeed:  maphash.MakeSeed(),
		hashMask: ^uint32(0),
	}
	if s.now == nil {
		s.now = func() int64 { return time.Now().Unix() }
	}
	for i := range s.shards {
		s.shards[i].serials = &s.serial
	}
	return s
}

// key is the hash of a token or id in its app, and that of the app.
type key struct{ hash, appHash uint32 }

func (s *Store) key(app, tokenOrID string) key {
	a := uint32(maphash.String(s.appSeed, app))
	h := uint32(maphash.String(s.keySeed, tokenOrID))
	return key{(h ^ a) & s.hashMask, a & s.hashMask}
}

func shardOf(bucket int) int { return bucket % shards }

func (s *Store) shard(bucket int) *shard { return &s.shards[shardOf(bucket)] }

// ended returns the error of a call whose ctx has ended.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded: %w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// Create starts a session. A token that is in use already replaces its session,
// so a Create that is sent again has no effect of its own.
func (s *Store) Create(ctx context.Context, app, token string, n store.New) (store.Details, error) {
	if err := s.admitted(ctx); err != nil {
		return store.Details{}, err
	}
	bucket := store.TokenBucket(token)
	if shardOf(bucket) != shardOf(store.Bucket(n.ID)) {
		return store.Details{}, errForeignToken
	}
	rec := session{
		token:    pack(token),
		ttl:      n.TTL,
		r:        1,
		w:        1,
		noResave: n.NoResave,
	}
	rec.setText(n.ID, n.IP, "")
	if len(n.Data) > 0 {
		rec.d, _ = merge("", n.Data)
		if store.TooLarge("", rec.d, s.maxData) {
			return store.Details{}, store.ErrTooLarge
		}
	}
	k, userKey := s.key(app, token), s.key(app, n.ID)
	sh := s.shard(bucket)
	for range trimTries {
		if seq, d, ok := sh.createWithin(s.now, k, userKey, app, token, rec, n); ok {
			return d, s.saved(ctx, seq)
		}
		if err := s.trim(ctx, app, n.ID, n.MaxSessions, ""); err != nil {
			return store.Details{}, err
		}
	}
	return store.Details{}, errOutrun
}

// Get reads a session and counts as activity. It does not allocate.
func (s *Store) Get(ctx context.Context, app, token string) (store.Session, error) {
	return s.get(ctx, app, token, read)
}

// GetWith is Get with the session's details. It does not allocate.
func (s *Store) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	return s.get(ctx, app, token, readWith)
}

// Peek is GetWith but changes nothing.
func (s *Store) Peek(ctx context.Context, app, token string) (store.Session, error) {
	return s.get(ctx, app, token, peek)
}

// Ways to get a session.
const (
	read = iota
	readWith
	peek
)

// lookUp finds the session of a token at now, and returns its shard with the lock held. If
// there is none that is alive, the error is store.ErrNotFound, once what ended it is on disk.
func (s *Store) lookUp(ctx context.Context, app, token string, t *token) (sh *shard, slot uint32, now int64, err error) {
	k := s.key(app, token)
	sh = s.shard(store.TokenBucket(token))
	sh.mu.Lock()
	now = s.now()
	slot, rec := sh.find(k, app, t, now)
	if rec != nil && rec.alive(now) {
		return sh, slot, now, nil
	}
	if err := s.saved(ctx, sh.unlock()); err != nil {
		return nil, 0, 0, err
	}
	return nil, 0, 0, store.ErrNotFound
}

func (s *Store) get(ctx context.Context, app, token string, how int) (store.Session, error) {
	if err := ended(ctx); err != nil {
		return store.Session{}, err
	}
	t := pack(token)
	sh, slot, now, err := s.lookUp(ctx, app, token, &t)
	if err != nil {
		return store.Session{}, err
	}
	rec := sh.sessions.at(slot)
	var answer store.Session
	if how == peek {
		answer = rec.answer(now)
	} else {
		answer = sh.read(slot, now)
	}
	if how != read {
		answer.Details = rec.details(token, &t)
	}
	sh.mu.Unlock()
	return answer, nil
}

// Touch counts as activity, and may change when the session ends. If it does not, it is
// as little waited for as what a read changes, and goes on when the disk refuses.
func (s *Store) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	lasting := ttl != 0 || maxAge != 0
	admitted := ended
	if lasting {
		admitted = s.admitted
	}
	if err := admitted(ctx); err != nil {
		return store.Session{}, err
	}
	t := pack(token)
	sh, slot, now, err := s.lookUp(ctx, app, token, &t)
	if err != nil {
		return store.Session{}, err
	}
	rec := sh.sessions.at(slot)
	answer := rec.answer(now)
	sh.touch(rec, now)
	if ttl != 0 {
		rec.ttl, answer.TTL = ttl, ttl
	}
	if maxAge != 0 {
		rec.end = now + maxAge
	}
	answer.Details = rec.details(token, &t)
	if !lasting {
		sh.markTouched(slot)
		sh.mu.Unlock()
		return answer, nil
	}
	sh.rearm(slot)
	sh.changed(slot)
	if err := s.saved(ctx, sh.unlock()); err != nil {
		return store.Session{}, err
	}
	return answer, nil
}

// Set merges d into a session's data and counts as activity.
func (s *Store) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, anyW, d)
}

// SetIf is Set if w is the session's.
func (s *Store) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	return s.set(ctx, app, token, w, d)
}

// anyW is no session's w.
const anyW = math.MinInt64

func (s *Store) set(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	t := pack(token)
	c := newChange(d)
	for {
		if err := s.admitted(ctx); err != nil {
			return store.Session{}, err
		}
		sh, slot, now, err := s.lookUp(ctx, app, token, &t)
		if err != nil {
			return store.Session{}, err
		}
		rec := sh.sessions.at(slot)
		if w != anyW && rec.w != w {
			answer := rec.answer(now)
			answer.Details = rec.details(token, &t)
			if err := s.saved(ctx, sh.unlock()); err != nil {
				return store.Session{}, err
			}
			return answer, store.ErrConflict
		}
		merged, ready, err := c.on(rec.d)
		if ready && store.TooLarge(rec.d, merged, s.maxData) {
			err = store.ErrTooLarge
		}
		if err != nil {
			sh.mu.Unlock()
			return store.Session{}, err
		}
		if ready {
			answer := sh.write(slot, merged, now)
			answer.Details = rec.details(token, &t)
			if err := s.saved(ctx, sh.unlock()); err != nil {
				return store.Session{}, err
			}
			return answer, nil
		}
		base := rec.d
		sh.mu.Unlock()
		c.prepare(base)
	}
}

// Activity counts the users active in the last dt seconds. It looks at one shard
// after the other: what happens meanwhile may be in the count or not.
func (s *Store) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	k := s.key(app, "")
	since := s.now() - dt
	var users int64
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		if _, a := sh.app(k, app); a != nil {
			users += a.activity.since(since)
		}
		sh.mu.Unlock()
	}
	return users, nil
}

// Writable reports whether changes get to the disk, if there is one.
func (s *Store) Writable() bool { return s.journal == nil || s.journal.admit() == nil }

// Ping reports that the Store serves, unless ctx has ended. It says nothing of the
// disk: with a full one, reads go on.
func (s *Store) Ping(ctx context.Context) error { return ended(ctx) }

// Close brings to disk what is not there yet, if that is where sessions are kept.
// Without it no answer is lost, but up to a second of reads.
func (s *Store) Close() {
	if s.journal == nil {
		return
	}
	close(s.journal.quit)
	<-s.journal.done
	if err := s.file.Close(); err != nil {
		s.journal.logf("error: closing %s: %v", s.file.Path(), err)
	}
}

// Len returns how many sessions there are, expired ones that are not wiped yet
// included.
func (s *Store) Len() (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += sh.sessions.len()
		sh.mu.Unlock()
	}
	return n
}

package embedded

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/store"
)

// movers are sessions that go from user to user until stop is called.
type movers struct {
	first int // the lowest number of them
	begun atomic.Int64
	quit  chan struct{}
	done  sync.WaitGroup
}

// moving starts 4 sessions that move, each with its number, from first on, as its data.
func moving(t *testing.T, s *Store, first int) *movers {
	m := &movers{first: first, quit: make(chan struct{})}
	ctx := context.Background()
	for i := first; i < first+4; i++ {
		d := store.Data{{Key: `"n"`, Value: fmt.Sprint(i)}}
		token := create(t, s, "moved", store.New{ID: "begin", Data: d})
		m.done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-m.quit:
					return
				default:
				}
				m.begun.Add(1)
				id := fmt.Sprint("to", i, "-", n%7)
				fresh := store.NewToken(id)
				if _, err := s.Move(ctx, "moved", token, fresh, store.Move{ID: id}); err != nil {
					t.Error(err)
					return
				}
				token = fresh
			}
		})
	}
	return m
}

func (m *movers) stop() {
	close(m.quit)
	m.done.Wait()
}

// check wants each of the sessions in a copy once: as it was before a move or after it,
// never both and never neither.
func (m *movers) check(t *testing.T, copied *Store) {
	t.Helper()
	seen := map[string]int{}
	for _, session := range all(t, t.Context(), copied.SessionsOfApp(t.Context(), "moved", 1000)) {
		seen[session.D]++
	}
	for i := m.first; i < m.first+4; i++ {
		if d := fmt.Sprintf(`{"n":%d}`, i); seen[d] != 1 {
			t.Errorf("%s is in the copy %d times", d, seen[d])
		}
	}
}

// TestMoveOnFullDisk moves a session while only removals fit on the disk: what a crash
// then leaves is the session as it was.
func TestMoveOnFullDisk(t *testing.T) {
	s, d, _ := openFaulty(t, Options{Logf: t.Logf})
	defer s.Close()
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "guest"})
	gone := create(t, s, "app", store.New{ID: "gone"})
	d.mu.Lock()
	d.hold = make(chan struct{})
	hold := d.hold
	d.mu.Unlock()
	results := make(chan error, 3)
	go func() { results <- errorOf(s.Set(ctx, "app", gone, store.Data{{Key: `"v"`, Value: "1"}})) }()
	<-d.held
	go func() {
		results <- errorOf(s.Move(ctx, "app", token, store.NewToken("user"), store.Move{ID: "user"}))
	}()
	eventually(t, "the move is queued", func() bool { n, _ := s.journal.backlog(); return n == 2 })
	go func() { results <- errorOf(s.Kill(ctx, "app", gone)) }()
	eventually(t, "the kill is queued", func() bool { n, _ := s.journal.backlog(); return n == 3 })
	d.mu.Lock()
	d.err, d.removes, d.hold = errFull, true, nil
	d.mu.Unlock()
	close(hold)
	eventually(t, "the kill is on disk", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.removed >= 1
	})
	copied := s.copyOfDisk(t, &testClock{s.now()})
	d.mu.Lock()
	d.err, d.removes = nil, false
	d.mu.Unlock()
	defer copied.Close()
	if got, err := copied.Get(ctx, "app", token); err != nil || got.ID != "guest" {
		t.Errorf("the session is %+v, %v", got, err)
	}
	eventually(t, "writes work again", func() bool { return s.admitted(ctx) == nil })
}

// TestMoveAmidCommit moves a session whose last change, and one of a third shard, are
// being copied for a commit. What is on disk after each commit has the session once: a
// commit with its removal has its new record too.
func TestMoveAmidCommit(t *testing.T) {
	clock := &testClock{1_700_000_000}
	s, d, _ := openFaulty(t, Options{Logf: t.Logf, Now: func() int64 { return clock.now }})
	defer s.Close()
	ctx := context.Background()
	id, third := otherShard("guest"), ""
	for i := 0; third == ""; i++ {
		other := fmt.Sprint("third", i)
		if n := shardOf(store.Bucket(other)); n != shardOf(store.Bucket("guest")) && n != shardOf(store.Bucket(id)) {
			third = other
		}
	}
	early := create(t, s, "app", store.New{ID: third}) // its record is copied first
	guest := create(t, s, "app", store.New{ID: "guest"})
	fresh := store.NewToken(id)
	// hold lets the commits from the next on wait, and those before it go on.
	var holding chan struct{}
	hold := func() {
		before := holding
		d.mu.Lock()
		holding = make(chan struct{})
		d.hold = holding
		d.mu.Unlock()
		if before != nil {
			close(before)
		}
	}
	results := make(chan error, 4)
	set := func(token string) {
		results <- errorOf(s.Set(ctx, "app", token, store.Data{{Key: `"v"`, Value: "1"}}))
	}
	hold()
	go set(early)
	<-d.held
	go set(early)
	go set(guest)
	eventually(t, "two changes are queued", func() bool { n, _ := s.journal.backlog(); return n == 2 })
	lock := &s.shard(store.Bucket(third)).mu
	lock.Lock()
	hold()
	eventually(t, "the commit of the two is made", func() bool { n, _ := s.journal.backlog(); return n == 0 })
	go func() {
		results <- errorOf(s.Move(ctx, "app", guest, fresh, store.Move{ID: id}))
	}()
	// It either waits for the copying, or it does not: then it is soon done in memory.
	for range 50 {
		if _, err := s.Peek(ctx, "app", fresh); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	lock.Unlock()
	onDisk := func(want string) {
		t.Helper()
		copied := s.copyOfDisk(t, clock)
		defer copied.Close()
		var got []string
		for _, session := range all(t, ctx, copied.SessionsOfApp(ctx, "app", 100)) {
			if session.ID != third {
				got = append(got, session.ID)
			}
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("on disk it is %q's, want %q", got, want)
		}
	}
	<-d.held
	hold()
	<-d.held // the commit of the two has ended, that of the move waits
	onDisk("guest")
	hold()
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	onDisk(id)
	d.mu.Lock()
	d.hold = nil
	d.mu.Unlock()
	close(holding)
}

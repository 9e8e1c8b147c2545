package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// movers are sessions that go from user to user until stop is called.
type movers struct {
	begun atomic.Int64
	quit  chan struct{}
	done  sync.WaitGroup
}

// moving starts 4 sessions that move, each with its number as its data.
func moving(t *testing.T, s *Store) *movers {
	m := &movers{quit: make(chan struct{})}
	ctx := context.Background()
	for i := range 4 {
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

// check wants each of the sessions in a copy once: as it was before a move or after it.
func (m *movers) check(t *testing.T, copied *Store) {
	t.Helper()
	seen := map[string]int{}
	for _, session := range all(t, t.Context(), copied.SessionsOfApp(t.Context(), "moved", 1000)) {
		seen[session.D]++
	}
	for i := range 4 {
		if d := fmt.Sprintf(`{"n":%d}`, i); seen[d] < 1 {
			t.Errorf("%s is not in the copy", d)
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
	dir := privateDir(t)
	os.Mkdir(dir, 0o700)
	file, err := os.Create(filepath.Join(dir, disk.Name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.file.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	file.Close()
	d.mu.Lock()
	d.err, d.removes = nil, false
	d.mu.Unlock()
	copied, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if got, err := copied.Get(ctx, "app", token); err != nil || got.ID != "guest" {
		t.Errorf("the session is %+v, %v", got, err)
	}
	eventually(t, "writes work again", func() bool { return s.admitted(ctx) == nil })
}

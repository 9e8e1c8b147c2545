package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// faultyDisk stands between a store and its file: it fails, or holds commits up.
type faultyDisk struct {
	file *disk.File

	mu      sync.Mutex
	err     error
	hold    chan struct{} // nil: none; commits wait until it is closed
	held    chan struct{} // gets one for each commit that waits
	commits int
	// removes is whether commits that only remove pass in spite of err.
	removes bool
	removed int // how many those were
}

func (d *faultyDisk) commit(b *disk.Batch) error {
	d.mu.Lock()
	err, hold := d.err, d.hold
	d.commits++
	for _, r := range b.Records {
		if r.Content != nil && d.removes {
			d.mu.Unlock()
			return err
		}
	}
	removes := d.removes
	if err != nil && removes {
		d.removed += len(b.Records)
	}
	d.mu.Unlock()
	if hold != nil {
		d.held <- struct{}{}
		<-hold
	}
	if err != nil && !removes {
		return err
	}
	return d.file.Commit(b)
}

func (d *faultyDisk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// lines collects what a store logs.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// commits is an Observer.
type commits struct{ ok, full, other atomic.Int64 }

func (c *commits) Commit(took time.Duration, err error) {
	switch {
	case took <= 0:
		c.other.Add(1)
	case err == nil:
		c.ok.Add(1)
	case errors.Is(err, syscall.ENOSPC):
		c.full.Add(1)
	default:
		c.other.Add(1)
	}
}

func openFaulty(t *testing.T, o Options) (*Store, *faultyDisk, string) {
	t.Helper()
	dir := privateDir(t)
	file, err := disk.Open(dir, disk.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	d := &faultyDisk{file: file, held: make(chan struct{}, 100)}
	s, err := openOn(file, d.commit, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, d, dir
}

var errFull = fmt.Errorf("write: %w", syscall.ENOSPC)

// eventually waits for what comes by itself.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestDiskFull fills the disk and makes room again.
func TestDiskFull(t *testing.T) {
	var log lines
	var seen commits
	s, d, dir := openFaulty(t, Options{Logf: log.logf, Observer: &seen})
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	spare := create(t, s, "app", store.New{ID: "spare"})
	set := func(v string) error {
		_, err := s.Set(ctx, "app", token, store.Data{{Key: `"v"`, Value: v}})
		return err
	}
	if err := set("1"); err != nil {
		t.Fatal(err)
	}
	d.fail(errFull)
	// The first may be seen: it was made before anybody knew. Those after it are not.
	if err := set("2"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the first set: %v", err)
	}
	before := s.dump()
	never := store.NewToken("never")
	for what, err := range map[string]error{
		"set":    set("3"),
		"create": errorOf(s.Create(ctx, "app", never, store.New{ID: "never", TTL: 10})),
		"kill":   func() error { _, err := s.Kill(ctx, "app", spare); return err }(),
		// An answer that rests on what is not saved would be a lie after a crash.
		"kill of none": func() error { _, err := s.Kill(ctx, "app", never); return err }(),
		"set of none":  func() error { _, err := s.Set(ctx, "app", never, store.Data{{Key: `"v"`, Value: "1"}}); return err }(),
		"kill id":      func() error { _, err := s.KillID(ctx, "app", "spare", ""); return err }(),
		"kill app":     func() error { _, err := s.KillApp(ctx, "app"); return err }(),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := s.dump(); len(after) != len(before) {
		t.Errorf("%d sessions, not the %d as before", len(after), len(before))
	}
	for range 3 { // reads go on, and their counters
		if _, err := s.Get(ctx, "app", spare); err != nil {
			t.Errorf("get: %v", err)
		}
	}
	if n := len(all(t, ctx, s.SessionsOfApp(ctx, "app", 100))); n != 2 {
		t.Errorf("%d sessions listed", n)
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}

	d.fail(nil)
	eventually(t, "writes work again", func() bool { return set("4") == nil })
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "no space left") || !strings.Contains(got, "again") {
		t.Errorf("the log:\n%s", got)
	}
	if ok, full := seen.ok.Load(), seen.full.Load(); ok < 3 || full < 1 || seen.other.Load() > 0 {
		t.Errorf("the observer was told of %d commits, and of %d that found the disk full", ok, full)
	}
	want := s.dump()
	s.Close()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.dump()
	for serial, rec := range want {
		if got[serial] != rec {
			t.Errorf("%+v\nwant %+v", got[serial], rec)
		}
	}
	if got, err := s.Get(ctx, "app", spare); err != nil || got.R != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func errorOf[T any](_ T, err error) error { return err }

// TestRemovalsMakeRoom fills the disk so that only removals fit.
func TestRemovalsMakeRoom(t *testing.T) {
	s, d, dir := openFaulty(t, Options{Logf: t.Logf})
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	gone := create(t, s, "app", store.New{ID: "gone"})
	d.mu.Lock()
	d.hold = make(chan struct{})
	hold := d.hold
	d.mu.Unlock()
	// A commit with a set alone is held up, and meanwhile a kill queues.
	results := make(chan error, 2)
	set := func() {
		_, err := s.Set(ctx, "app", token, store.Data{{Key: `"v"`, Value: "1"}})
		results <- err
	}
	go set()
	<-d.held
	go func() {
		_, err := s.Kill(ctx, "app", gone)
		results <- err
	}()
	eventually(t, "the kill is queued", func() bool { n, _ := s.journal.backlog(); return n == 1 })
	d.mu.Lock()
	d.err, d.removes, d.hold = errFull, true, nil
	d.mu.Unlock()
	go set()
	eventually(t, "the second set is queued", func() bool { n, _ := s.journal.backlog(); return n == 2 })
	close(hold)
	eventually(t, "the kill is on disk alone", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.removed == 1
	})
	d.mu.Lock()
	d.err, d.removes = nil, false
	d.mu.Unlock()
	eventually(t, "writes work again", func() bool { return s.admitted(ctx) == nil })
	s.Close()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Get(ctx, "app", token); err != nil || got.D != `{"v":1}` {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Get(ctx, "app", gone); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// TestBrokenDisk lets an fsync fail, after which nothing that it says counts.
func TestBrokenDisk(t *testing.T) {
	var log lines
	s, d, _ := openFaulty(t, Options{Logf: log.logf})
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	// One write is under way, and others wait for the next commit, which never comes.
	hold := make(chan struct{})
	d.mu.Lock()
	d.err, d.hold = fmt.Errorf("%w: %w", disk.ErrBroken, syscall.EIO), hold
	d.mu.Unlock()
	results := make(chan error, 3)
	kill := func() {
		_, err := s.Kill(ctx, "app", token)
		results <- err
	}
	go kill()
	<-d.held
	go kill()
	go func() {
		_, err := s.Create(ctx, "app", store.NewToken("late"), store.New{ID: "late", TTL: 10})
		results <- err
	}()
	eventually(t, "the create is queued", func() bool { n, _ := s.journal.backlog(); return n == 1 })
	close(hold)
	for range 3 {
		if err := <-results; !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
	d.mu.Lock()
	d.err = nil
	commits := d.commits
	d.mu.Unlock()
	time.Sleep(3 * retryAfter)
	d.mu.Lock()
	if d.commits != commits {
		t.Error("it was tried again")
	}
	d.mu.Unlock()
	if _, err := s.Kill(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "restarted") {
		t.Errorf("the log:\n%s", log.String())
	}
	s.Close()
}

// TestSlowDisk has commits that do not end. The log says so, once, and when they do.
func TestSlowDisk(t *testing.T) {
	const timeout = 50 * time.Millisecond
	var log lines
	s, d, _ := openFaulty(t, Options{Logf: log.logf})
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	s.journal.timeout = timeout // from now on: a loaded machine may take longer for that
	d.mu.Lock()
	hold := make(chan struct{})
	d.hold = hold
	d.mu.Unlock()
	set := func(ctx context.Context) error {
		_, err := s.Set(ctx, "app", token, store.Data{{Key: `"v"`, Value: "1"}})
		return err
	}
	start := time.Now()
	if err := set(ctx); !errors.Is(err, store.ErrUnavailable) || time.Since(start) < timeout || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	before := s.dump()
	if err := set(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if after := s.dump(); after[1].w != before[1].w {
		t.Error("what nobody could wait for was done")
	}
	if _, err := s.Get(ctx, "app", token); err != nil {
		t.Errorf("get: %v", err)
	}
	d.mu.Lock()
	d.hold = nil
	d.mu.Unlock()
	const slow, again = "the disk has taken over 50ms for a write", "sessions are written to disk again; one write took"
	if got := log.String(); strings.Count(got, slow) != 1 || strings.Contains(got, again) {
		t.Errorf("the log:\n%s", got)
	}
	close(hold)
	eventually(t, "writes work again", func() bool { return set(ctx) == nil })
	eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), again) })
	s.Close()
}

// TestWaitEndsWithContext gives up on a commit.
func TestWaitEndsWithContext(t *testing.T) {
	s, d, _ := openFaulty(t, Options{Logf: t.Logf})
	token := create(t, s, "app", store.New{ID: "user"})
	d.mu.Lock()
	hold := make(chan struct{})
	d.hold = hold
	d.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := s.Kill(ctx, "app", token)
		result <- err
	}()
	<-d.held
	cancel()
	if err := <-result; !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	d.mu.Lock()
	d.hold = nil
	d.mu.Unlock()
	close(hold)
	s.Close()
}

// TestNoAnswerBeforeTheDisk holds a kill's commit up: who asks for the same
// session to be read, killed, or changed, is not told that there is none before that is
// certain.
func TestNoAnswerBeforeTheDisk(t *testing.T) {
	s, d, _ := openFaulty(t, Options{Logf: t.Logf})
	defer s.Close()
	ctx := context.Background()
	for _, what := range []string{"get", "kill", "set", "killid", "killapp"} {
		token := create(t, s, "app", store.New{ID: "user"})
		d.mu.Lock()
		hold := make(chan struct{})
		d.hold = hold
		d.mu.Unlock()
		first, second := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(first)
			if ok, err := s.Kill(ctx, "app", token); !ok || err != nil {
				t.Error(ok, err)
			}
		}()
		<-d.held
		go func() {
			defer close(second)
			switch what {
			case "get":
				if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			case "kill":
				if ok, err := s.Kill(ctx, "app", token); ok || err != nil {
					t.Error(ok, err)
				}
			case "set":
				if _, err := s.Set(ctx, "app", token, store.Data{{Key: `"v"`, Value: "1"}}); !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			case "killid":
				if n, err := s.KillID(ctx, "app", "user", ""); n != 0 || err != nil {
					t.Error(n, err)
				}
			case "killapp":
				if n, err := s.KillApp(ctx, "app"); n != 0 || err != nil {
					t.Error(n, err)
				}
			}
		}()
		select {
		case <-first:
			t.Errorf("%s: the kill answered before its commit", what)
		case <-second:
			t.Errorf("%s answered before the kill's commit", what)
		case <-time.After(30 * time.Millisecond):
		}
		d.mu.Lock()
		d.hold = nil
		d.mu.Unlock()
		close(hold)
		<-first
		<-second
	}
}

// TestCommitsAreShared has many callers and few commits.
func TestCommitsAreShared(t *testing.T) {
	s, d, _ := openFaulty(t, Options{Logf: t.Logf})
	defer s.Close()
	d.mu.Lock()
	hold, commits := make(chan struct{}), d.commits
	d.hold = hold
	d.mu.Unlock()
	const callers = 200
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { create(t, s, "app", store.New{ID: fmt.Sprint(i)}) })
	}
	<-d.held
	eventually(t, "all are queued", func() bool { _, seq := s.journal.backlog(); return seq == callers })
	d.mu.Lock()
	d.hold = nil
	d.mu.Unlock()
	close(hold)
	wg.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.commits - commits; n > 3 {
		t.Errorf("%d commits for %d creates that came while one was busy", n, callers)
	}
}

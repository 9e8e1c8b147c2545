package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
	"rest-sessions/store/storetest"
)

// openDir opens a store on a directory, with a clock that stands.
func openDir(t testing.TB, dir string) (*Store, *testClock) {
	t.Helper()
	clock := &testClock{1_700_000_000}
	return reopen(t, dir, clock), clock
}

func reopen(t testing.TB, dir string, clock *testClock) *Store {
	t.Helper()
	s, err := Open(Options{Now: func() int64 { return clock.now }, Dir: dir, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// privateDir is a directory as Open makes one.
func privateDir(t testing.TB) string { return filepath.Join(t.TempDir(), "data") }

// dump returns all that is to outlive a restart, by serial.
func (s *Store) dump() map[uint64]stored {
	all := map[uint64]stored{}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for n, ref := range sh.sessions.slabs {
			for j := range slabLen {
				if slot := uint32(n<<slotBits | j + 1); ref.slab != nil && sh.sessions.used(slot) {
					var one stored
					rec := sh.sessions.at(slot)
					owner := sh.users.at(rec.user)
					one = stored{session: *rec, app: sh.apps.at(owner.app).name, userActivity: owner.lastActivity}
					one.user, one.newer, one.older, one.appPos, one.timerPos = 0, 0, 0, 0, 0
					all[rec.serial] = one
				}
			}
		}
		for i := sh.aliases.oldest; i != 0; {
			a := sh.aliases.table.at(i)
			if rec := sh.at(a.slot, a.serial); rec != nil && a.until >= s.now() {
				all[a.number] = stored{session: session{token: a.token}, aliasOf: rec.serial, until: a.until}
			}
			i = a.next
		}
		sh.mu.Unlock()
	}
	return all
}

// reopening is a store that is closed and opened anew at each Wipe, which Open
// does too.
type reopening struct {
	store.Store
	open func() *Store
}

func (r *reopening) Wipe(context.Context) (int64, error) {
	before := r.Store.(*Store).Len()
	r.Store.Close()
	s := r.open()
	r.Store = s
	return int64(before - s.Len()), nil
}

// TestDifferentialReopened restarts one of two stores again and again, and no
// answer tells.
func TestDifferentialReopened(t *testing.T) {
	for seed := range uint64(3) {
		clock := storetest.NewClock(1_700_000_030)
		dir := privateDir(t)
		opened := 0
		open := func() *Store {
			opened++
			s, err := Open(Options{Now: clock.Now, Dir: dir, NoSync: true, Logf: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b := New(Options{Now: clock.Now}), &reopening{open(), open}
		storetest.Differential(t, seed, 2500, a, b, clock)
		b.Store.(*Store).check(t)
		b.Close()
		if opened < 20 {
			t.Errorf("opened %d times only", opened)
		}
	}
}

// hammer writes, reads and ends sessions by many callers, until each has done ops.
func hammer(t *testing.T, s *Store, callers, ops int) {
	var wg sync.WaitGroup
	ctx := context.Background()
	for i := range callers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 9))
			var tokens []string
			for range ops {
				app, id := []string{"app", "shop"}[rnd.IntN(2)], fmt.Sprint("u", rnd.IntN(40))
				var err error
				switch n := rnd.IntN(100); {
				case n < 30 || len(tokens) == 0:
					n := store.New{ID: id, IP: "::1", TTL: 1000, NoResave: n < 5, Data: store.Data{{Key: `"n"`, Value: fmt.Sprint(n)}}}
					token := store.NewToken(id)
					_, err = s.Create(ctx, "app", token, n)
					tokens = append(tokens, token)
				case n < 60:
					_, err = s.Set(ctx, "app", tokens[rnd.IntN(len(tokens))], store.Data{{Key: fmt.Sprintf(`"%d"`, rnd.IntN(5)), Value: "1"}})
				case n < 85:
					_, err = s.Get(ctx, "app", tokens[rnd.IntN(len(tokens))])
				case n < 90:
					fresh := store.NewToken(id)
					if _, err = s.Move(ctx, "app", tokens[rnd.IntN(len(tokens))], fresh, store.Move{ID: id, MaxSessions: n % 2 * 30}); err == nil {
						tokens = append(tokens, fresh)
					}
				case n < 97:
					_, err = s.Kill(ctx, "app", tokens[rnd.IntN(len(tokens))])
				case n < 98:
					_, err = s.KillID(ctx, app, id, "")
				case n < 99:
					i := rnd.IntN(len(tokens))
					var fresh string
					if fresh, _, err = s.Rotate(ctx, "app", tokens[i], store.NewTokenLike(tokens[i]), 10); err == nil {
						tokens = append(tokens, fresh)
					}
				default:
					_, err = s.KillApp(ctx, "shop")
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestReopenAfterStorm compares memory with what a restart makes of the disk.
func TestReopenAfterStorm(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	for range 3 {
		hammer(t, s, 16, 150)
		want := s.dump()
		s.Close()
		s = reopen(t, dir, clock)
		if got := s.dump(); !maps.Equal(got, want) || len(got) == 0 {
			t.Fatalf("%d sessions, want %d", len(got), len(want))
		}
		s.check(t)
		clock.now += 7
	}
	s.Close()
}

// TestCopyUnderLoad takes the file as it is in the middle of it all, which is what
// a crash leaves: what was acknowledged by then is there.
func TestCopyUnderLoad(t *testing.T) {
	s, clock := openDir(t, privateDir(t))
	defer s.Close()
	done := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				hammer(t, s, 8, 20)
			}
		}
	})
	ctx := context.Background()
	for i := range 10 {
		live := create(t, s, "mine", store.New{ID: "live"})
		killed := create(t, s, "mine", store.New{ID: "killed"})
		moves := moving(t, s, 4*i)
		for n := range 3 {
			if _, err := s.Set(ctx, "mine", live, store.Data{{Key: `"n"`, Value: fmt.Sprint(n)}}); err != nil {
				t.Fatal(err)
			}
		}
		if ok, err := s.Kill(ctx, "mine", killed); !ok || err != nil {
			t.Fatal(ok, err)
		}
		dir := privateDir(t)
		os.Mkdir(dir, 0o700)
		file, err := os.Create(filepath.Join(dir, disk.Name))
		if err != nil {
			t.Fatal(err)
		}
		moved := moves.begun.Load()
		if _, err := s.file.WriteTo(file); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if moves.stop(); moved == moves.begun.Load() {
			t.Log("no move while the copy was made")
		}
		copied := reopen(t, dir, clock)
		if got, err := copied.Get(ctx, "mine", live); err != nil || got.W != 4 || got.D != `{"n":2}` {
			t.Errorf("copy %d: %+v, %v", i, got, err)
		}
		if got, err := copied.Get(ctx, "mine", killed); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("copy %d: a killed session: %+v, %v", i, got, err)
		}
		moves.check(t, copied)
		copied.check(t)
		copied.Close()
	}
	close(done)
	load.Wait()
}

// TestTimePassesWhileDown restarts after a while.
func TestTimePassesWhileDown(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	ctx := context.Background()
	short := create(t, s, "app", store.New{ID: "short", TTL: 60})
	long := create(t, s, "app", store.New{ID: "long", TTL: 1000})
	once := create(t, s, "app", store.New{ID: "once", TTL: 1000, NoResave: true})
	clock.now += 10
	if _, err := s.Get(ctx, "app", once); err != nil {
		t.Fatal(err)
	}
	s.Close()
	clock.now += 100
	s = reopen(t, dir, clock)
	defer s.Close()
	if n := len(s.dump()); n != 2 {
		t.Errorf("%d sessions, not the 2 that are not over", n)
	}
	if _, err := s.Get(ctx, "app", short); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if got, err := s.Get(ctx, "app", long); err != nil || got.Idle != 110 || got.TTL != 1000 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.Get(ctx, "app", once); err != nil || got.R != 2 || got.Idle != 100 || got.TTL != 890 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestUserActivitySurvives ends the session in which its user was last active.
func TestUserActivitySurvives(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	ctx := context.Background()
	old := create(t, s, "app", store.New{ID: "user", TTL: 1000})
	clock.now += 50
	last := create(t, s, "app", store.New{ID: "user", TTL: 1000})
	if _, err := s.Kill(ctx, "app", last); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.Close()
		s = reopen(t, dir, clock)
		if n, err := s.Activity(ctx, "app", 10); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if _, err := s.Kill(ctx, "app", old); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = reopen(t, dir, clock)
	defer s.Close()
	if n := len(s.dump()); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestRotationSurvives restarts in the grace of an old token, and after it.
func TestRotationSurvives(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	ctx := context.Background()
	old := create(t, s, "app", store.New{ID: "user", MaxAge: 500})
	dead := create(t, s, "app", store.New{ID: "user"})
	rotate := func(token string) string {
		t.Helper()
		fresh, _, err := s.Rotate(ctx, "app", token, store.NewTokenLike(token), 20)
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	mid := rotate(old)
	clock.now += 10
	fresh := rotate(mid)
	rotate(dead)
	if ok, err := s.Kill(ctx, "app", dead); !ok || err != nil {
		t.Fatal(ok, err)
	}
	restart := func(after int64) {
		s.Close()
		clock.now += after
		s = reopen(t, dir, clock)
		s.check(t)
	}
	there := func(token string) bool {
		t.Helper()
		_, err := s.Get(ctx, "app", token)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	restart(10)
	if !there(old) || !there(mid) || !there(fresh) || there(dead) {
		t.Error(there(old), there(mid), there(fresh), there(dead))
	}
	if again := rotate(mid); again != fresh {
		t.Error("an old token was rotated anew")
	}
	restart(1)
	if there(old) || !there(mid) || !there(fresh) {
		t.Error(there(old), there(mid), there(fresh))
	}
	restart(10)
	if there(mid) || !there(fresh) {
		t.Error(there(mid), there(fresh))
	}
	restart(0)
	if n := len(s.dump()); n != 1 || s.count(t) != 1 {
		t.Errorf("%d records in memory, %d on disk", n, s.count(t))
	}
	restart(480) // the end, whatever the activity
	if there(fresh) {
		t.Error("a max age is forgotten")
	}
	s.Close()
}

// count brings everything to disk and returns how many records there are on disk.
func (s *Store) count(t *testing.T) (n int) {
	t.Helper()
	flush(t, s)
	err := s.file.Load(func(uint64, []byte) error { return nil }, func(uint64, []byte) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReadsFollow reads, and finds the reads on disk soon after.
func TestReadsFollow(t *testing.T) {
	s, clock := openDir(t, privateDir(t))
	defer s.Close()
	ctx := context.Background()
	token := create(t, s, "app", store.New{ID: "user"})
	clock.now += 5
	for range 3 {
		if _, err := s.Get(ctx, "app", token); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the reads are on disk", func() bool {
		time.Sleep(touchEvery / 2)
		copied := s.copyOfDisk(t, &testClock{clock.now + 2})
		defer copied.Close()
		got, err := copied.Get(ctx, "app", token)
		if err != nil || got.R == 4 && got.Idle != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.R == 4
	})
}

// TestLogIsMadeAnew reads the same sessions again and again. The log keeps bounds,
// and what it forgets is not lost.
func TestLogIsMadeAnew(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	ctx := context.Background()
	var tokens []string
	for i := range 3000 {
		tokens = append(tokens, create(t, s, "app", store.New{ID: fmt.Sprint("u", i)}))
	}
	for round := range 60 {
		for i := range tokens {
			if i%100 == 0 && round > 40 {
				continue // not read for long, so that only a whole pass has them
			}
			if _, err := s.Get(ctx, "app", tokens[i]); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, s)
	}
	written := 60 * len(tokens) * 19 / 20
	want := s.dump()
	j := s.journal
	s.Close()
	if j.log.touches > 2*len(tokens)+logSlack+len(tokens) || written < 2*len(tokens)+logSlack {
		t.Errorf("the log has %d touches after %d", j.log.touches, written)
	}
	s = reopen(t, dir, clock)
	defer s.Close()
	if got := s.dump(); !maps.Equal(got, want) {
		t.Error("what was read is lost")
	}
	if held := s.journal.log.touches; held != j.log.touches {
		t.Errorf("%d touches found in the log, %d were counted", held, j.log.touches)
	}
}

// flush waits until a pass that began later has ended, as it does by itself every
// half second: it closes the store's journal and starts another.
func flush(t *testing.T, s *Store) {
	t.Helper()
	old := s.journal
	close(old.quit)
	<-old.done
	j := newJournal(s, old.commit, Options{Logf: t.Logf})
	j.log = old.log
	j.log.passing = false
	for i := range s.shards {
		s.shards[i].journal = j
	}
	j.seq, j.saved = old.seq, old.saved
	s.journal = j
	go j.run()
}

func TestOpenTwice(t *testing.T) {
	dir := privateDir(t)
	s, _ := openDir(t, dir)
	defer s.Close()
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, disk.ErrInUse) {
		t.Error(err)
	}
}

func TestOpenInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	os.WriteFile(path, nil, 0o600)
	var pathErr *fs.PathError
	if _, err := Open(Options{Dir: path}); !errors.As(err, &pathErr) {
		t.Error(err)
	}
}

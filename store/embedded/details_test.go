package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// TestDetailsSurvive restarts with a session that was never rotated, one that was, and
// one that went to a user of another shard.
func TestDetailsSurvive(t *testing.T) {
	dir := privateDir(t)
	s, clock := openDir(t, dir)
	ctx := context.Background()
	plain := create(t, s, "app", store.New{ID: "plain"})
	first := create(t, s, "app", store.New{ID: "rotated", MaxAge: 5000})
	guest := create(t, s, "app", store.New{ID: "guest", IP: "::1", NoResave: true, Data: store.Data{{Key: `"a"`, Value: "1"}}})
	clock.now += 30
	rotated := rotate(t, s, first, 20)
	alias := guest
	guestNow := rotate(t, s, guest, 60)
	id := otherShard("guest")
	moved := store.NewToken(id)
	if _, err := s.Move(ctx, "app", alias, moved, store.Move{ID: id}); err != nil {
		t.Fatal(err)
	}
	login := create(t, s, "app", store.New{ID: "guest"}) // moves as it was created
	movedFirst := store.NewToken(id)
	if d, err := s.Move(ctx, "app", login, movedFirst, store.Move{ID: id}); err != nil || d.First != login {
		t.Fatal(d, err)
	}
	for range 2 {
		want := map[string]store.Session{}
		for _, token := range []string{plain, rotated, first, moved, movedFirst} {
			want[token] = peekAt(t, s, token)
		}
		if got := want[moved]; got.First != guest || got.Created != clock.now-30 || got.ID != id || got.IP != "::1" || got.D != `{"a":1}` || !got.NoResave {
			t.Errorf("moved: %+v", got)
		}
		if want[first] != want[rotated] || want[rotated].First != first || want[plain].First != plain {
			t.Errorf("%+v", want)
		}
		s.Close()
		s = reopen(t, dir, clock)
		s.check(t)
		for token, session := range want {
			if got := peekAt(t, s, token); got != session {
				t.Errorf("%+v after a restart, was %+v", got, session)
			}
		}
		if got := want[movedFirst]; got.First != login {
			t.Errorf("moved without a rotation: %+v", got)
		}
		for _, token := range []string{guest, guestNow, login} {
			if got, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a token from before the move: %+v, %v", got, err)
			}
		}
	}
	if killed, err := s.KillHandle(ctx, "app", id, store.Handle(guest)); !killed || err != nil {
		t.Error(killed, err)
	}
	s.Close()
	s = reopen(t, dir, clock)
	defer s.Close()
	if n := len(s.dump()); n != 4 { // three sessions and an alias
		t.Errorf("%d records", n)
	}
}

// otherShard returns a user's id that is of another shard than this one.
func otherShard(id string) string {
	for i := 0; ; i++ {
		if other := fmt.Sprint("user", i); shardOf(store.Bucket(other)) != shardOf(store.Bucket(id)) {
			return other
		}
	}
}

func peekAt(t *testing.T, s *Store, token string) store.Session {
	t.Helper()
	got, err := s.Peek(context.Background(), "app", token)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRecordsWithoutDetails opens records from before there were details: one of a
// session and one of a session with an old token in its grace. No field comes into a
// record that nobody knows the value of.
func TestRecordsWithoutDetails(t *testing.T) {
	token, old, now := store.NewToken("user"), store.NewToken("user"), store.NewToken("user")
	record := func(token string, reads int64) []byte {
		packed := pack(token)
		b := appendBytes(nil, fieldToken, packed[:])
		b = appendBytes(b, fieldApp, "app")
		b = appendBytes(b, fieldID, "user")
		b = appendBytes(b, fieldIP, "::1")
		b = appendNumber(b, fieldTTL, 7200)
		b = appendNumber(b, fieldLastActivity, 1_700_000_000)
		b = appendNumber(b, fieldReads, reads)
		return appendNumber(b, fieldWrites, 1)
	}
	packed := pack(old)
	alias := appendBytes(nil, fieldToken, packed[:])
	alias = appendNumber(alias, fieldAliasOf, 2)
	alias = appendNumber(alias, fieldUntil, 1_700_000_050)
	dir := privateDir(t)
	f, err := disk.Open(dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = f.Commit(&disk.Batch{Last: 3, Records: []disk.Record{
		{Number: 1, Content: record(token, 1)}, {Number: 2, Content: record(now, 1)}, {Number: 3, Content: alias}}})
	if err != nil {
		t.Fatal(err)
	}
	f.Close()

	ctx := context.Background()
	s, clock := openDir(t, dir)
	defer func() { s.Close() }()
	want := store.Details{First: token, Expires: clock.now + 7200}
	if got := peekAt(t, s, token); got.Details != want {
		t.Errorf("%+v, want %+v", got.Details, want)
	}
	// By whichever token it is asked: else the session had two handles.
	want.First = now
	for _, by := range []string{now, old} {
		got, err := s.GetWith(ctx, "app", by)
		if err != nil || got.Details != want {
			t.Errorf("GetWith: %+v, %v, want %+v", got.Details, err, want)
		}
		got, err = s.Peek(ctx, "app", by)
		if err != nil || got.Details != want {
			t.Errorf("Peek: %+v, %v, want %+v", got.Details, err, want)
		}
		got, err = s.Touch(ctx, "app", by, 7200, 0)
		if err != nil || got.Details != want {
			t.Errorf("Touch: %+v, %v, want %+v", got.Details, err, want)
		}
		got, err = s.SetIf(ctx, "app", by, 77, nil)
		if !errors.Is(err, store.ErrConflict) || got.Details != want {
			t.Errorf("SetIf: %+v, %v, want %+v", got.Details, err, want)
		}
	}
	written := map[uint64]string{1: string(record(token, 1)), 2: string(record(now, 3)), 3: string(alias)}
	records := map[uint64]string{}
	s.Close()
	if f, err = disk.Open(dir, disk.Options{}); err != nil {
		t.Fatal(err)
	}
	err = f.Load(func(uint64, []byte) error { return nil }, func(number uint64, content []byte) error {
		records[number] = string(content)
		return nil
	})
	f.Close()
	if err != nil || !maps.Equal(records, written) {
		t.Errorf("%q, %v, want %q", fmt.Sprint(records), err, fmt.Sprint(written))
	}
	s = reopen(t, dir, clock)
	fresh := rotate(t, s, now, 10)
	if got := peekAt(t, s, fresh); got.Details != want {
		t.Errorf("rotated: %+v, want %+v", got.Details, want)
	}
}

// copyOfDisk opens a copy of what is on disk now, which is what a crash leaves.
func (s *Store) copyOfDisk(t *testing.T, clock *testClock) *Store {
	t.Helper()
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
	return reopen(t, dir, clock)
}

// TestTouchFollows touches a session that nobody ever reads and one that is read, and
// looks at what a crash leaves. A touch that changes no end is not waited for and goes on
// while the disk refuses, as a read does; one that does is on disk when it is answered.
func TestTouchFollows(t *testing.T) {
	s, d, _ := openFaulty(t, Options{Logf: t.Logf})
	defer s.Close()
	clock := &testClock{1_700_000_000}
	s.now = func() int64 { return clock.now }
	ctx := context.Background()
	touched := create(t, s, "app", store.New{ID: "touched", TTL: 100})
	read := create(t, s, "app", store.New{ID: "read", TTL: 100})
	once := create(t, s, "app", store.New{ID: "once", TTL: 100, NoResave: true})
	longer := create(t, s, "app", store.New{ID: "longer", TTL: 100})
	tokens := []string{touched, read, once, longer}
	clock.now += 20
	if _, err := s.Get(ctx, "app", read); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	clock.now += 30
	d.fail(errFull)
	if _, err := s.Set(ctx, "app", longer, store.Data{{Key: `"a"`, Value: "1"}}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	for _, token := range tokens[:3] {
		got, err := s.Touch(ctx, "app", token, 0, 0)
		if err != nil || got.W != 1 || got.Idle == 0 {
			t.Errorf("a touch on a full disk: %+v, %v", got, err)
		}
	}
	before := peekAt(t, s, longer)
	for _, args := range [][2]int64{{500, 0}, {0, 500}} {
		if got, err := s.Touch(ctx, "app", longer, args[0], args[1]); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a touch%v on a full disk: %+v, %v", args, got, err)
		}
		if got := peekAt(t, s, longer); got != before {
			t.Errorf("a touch%v that was refused: %+v", args, got)
		}
	}
	d.fail(nil)
	eventually(t, "writes work again", func() bool { return s.admitted(ctx) == nil })
	flush(t, s)
	flush(t, s)
	if _, err := s.Touch(ctx, "app", longer, 500, 600); err != nil {
		t.Fatal(err)
	}
	// Twice, the second time from a log that was made anew.
	for round := range 2 {
		if round == 1 {
			s.journal.log.touches += 1 << 30
			flush(t, s)
			if s.journal.log.touches > 100 {
				t.Fatal("the log was not made anew")
			}
		}
		copied := s.copyOfDisk(t, clock)
		for _, token := range tokens {
			want, got := peekAt(t, s, token), peekAt(t, copied, token)
			if got != want {
				t.Errorf("round %d: %+v on disk, %+v in memory", round, got, want)
			}
		}
		copied.Close()
	}
}

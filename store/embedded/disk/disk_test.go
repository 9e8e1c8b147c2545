package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

func openFile(t testing.TB, dir string) *File {
	t.Helper()
	f, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func commit(t testing.TB, f *File, b Batch) {
	t.Helper()
	if err := f.Commit(&b); err != nil {
		t.Fatal(err)
	}
}

// content is what a file holds.
type content struct {
	records map[uint64]string
	log     []string
	first   uint64 // the number of the first log entry
}

func load(f *File) (c content, err error) {
	c.records = map[uint64]string{}
	last := uint64(0)
	err = f.Load(func(number uint64, entry []byte) error {
		if c.log == nil {
			c.first = number
		} else if number <= last {
			return fmt.Errorf("log entry %d after %d", number, last)
		}
		last = number
		c.log = append(c.log, string(entry))
		return nil
	}, func(number uint64, text []byte) error {
		c.records[number] = string(text)
		return nil
	})
	return c, err
}

func (c content) equal(other content) bool {
	return maps.Equal(c.records, other.records) && slices.Equal(c.log, other.log) && c.first == other.first
}

// TestAgainstMap does random batches, and compares the file with a map after each
// time that it is opened anew.
func TestAgainstMap(t *testing.T) {
	dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
	want := content{records: map[uint64]string{}}
	next, last := uint64(1), uint64(0)
	for round := range 30 {
		f := openFile(t, dir)
		if got, err := load(f); err != nil || !got.equal(want) {
			t.Fatalf("round %d: %v: %d records and %d log entries, want %d and %d", round, err, len(got.records), len(got.log), len(want.records), len(want.log))
		}
		if number, err := f.NextLog(); number != next || err != nil || f.Last() != last {
			t.Fatalf("next log entry %d, %v, want %d; last %d, want %d", number, err, next, f.Last(), last)
		}
		for range 20 {
			b := Batch{Last: last + rnd.Uint64N(3)}
			last = b.Last
			for range rnd.IntN(50) {
				r := Record{Number: rnd.Uint64N(1000)}
				if rnd.IntN(3) > 0 {
					r.Content = bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(200))
					if rnd.IntN(50) == 0 {
						r.Content = bytes.Repeat(r.Content, 100)
					}
				}
				b.Records = append(b.Records, r)
				if delete(want.records, r.Number); r.Content != nil {
					want.records[r.Number] = string(r.Content)
				}
			}
			if rnd.IntN(10) == 0 {
				b.Forget = max(next, 5) - rnd.Uint64N(5)
				for len(want.log) > 0 && next-uint64(len(want.log)) < b.Forget {
					want.log = want.log[1:]
				}
			}
			if rnd.IntN(4) == 0 {
				b.Log = fmt.Appendf(nil, "entry %d", next)
				want.log = append(want.log, string(b.Log))
				next++
			}
			if want.first = next - uint64(len(want.log)); len(want.log) == 0 {
				want.log, want.first = nil, 0
			}
			commit(t, f, b)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	openFile(t, dir).Close()
	path := filepath.Join(dir, Name)
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	// A backup that was copied back.
	os.Chmod(path, 0o644)
	openFile(t, dir).Close()
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("a file that others can read stays so: %v", info.Mode().Perm())
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	f := openFile(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
	commit(t, f, Batch{Records: []Record{{1, []byte("one")}}})
	f.Close()
	f = openFile(t, dir)
	defer f.Close()
	if c, err := load(f); err != nil || c.records[1] != "one" {
		t.Errorf("%v, %v", c, err)
	}
}

// TestRefused opens what is not a sound file of this version, and wants it
// untouched.
func TestRefused(t *testing.T) {
	sound := func(t *testing.T, path string) {
		f := openFile(t, filepath.Dir(path))
		commit(t, f, Batch{Records: []Record{{1, []byte("one")}}})
		f.Close()
	}
	update := func(t *testing.T, path string, do func(tx *bbolt.Tx) error) {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(do), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"text":      {func(t *testing.T, path string) { os.WriteFile(path, bytes.Repeat([]byte("hello\n"), 5000), 0o600) }, ErrForeign},
		"a word":    {func(t *testing.T, path string) { os.WriteFile(path, []byte("hello"), 0o600) }, ErrForeign},
		"zeros":     {func(t *testing.T, path string) { os.WriteFile(path, make([]byte, 1<<16), 0o600) }, ErrForeign},
		"empty":     {func(t *testing.T, path string) { os.WriteFile(path, nil, 0o600) }, ErrDamaged},
		"directory": {func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, ErrForeign},
		"another program's": {func(t *testing.T, path string) {
			update(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("users")); return err })
		}, ErrForeign},
		"another program's, like ours": {func(t *testing.T, path string) {
			update(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(aboutBucket); return err })
		}, ErrForeign},
		"a newer version's": {func(t *testing.T, path string) {
			sound(t, path)
			update(t, path, func(tx *bbolt.Tx) error { return tx.Bucket(aboutBucket).Put(formatKey, []byte(magic+"02")) })
		}, ErrNewer},
		"no state": {func(t *testing.T, path string) {
			sound(t, path)
			update(t, path, func(tx *bbolt.Tx) error { return tx.Bucket(aboutBucket).Delete(stateKey) })
		}, ErrDamaged},
		"no log": {func(t *testing.T, path string) {
			sound(t, path)
			update(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket(logBucket) })
		}, ErrDamaged},
		"cut": {func(t *testing.T, path string) {
			sound(t, path)
			os.Truncate(path, 3*int64(os.Getpagesize()))
		}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, Name)
			c.make(t, path)
			before, _ := os.ReadFile(path)
			f, err := Open(dir, Options{})
			if err == nil {
				f.Close()
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("it was changed")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("something was left there: %v", entries)
			}
		})
	}
}

// damages is how many TestDamage tries; ten times as many found no more.
const damages = 350

// TestDamage breaks a file in many ways. Each is found, or does not matter; none
// ends the process, which a panic in one of bbolt's goroutines would.
func TestDamage(t *testing.T) {
	dir, rnd := t.TempDir(), rand.New(rand.NewPCG(7, 7))
	f := openFile(t, dir)
	for range 20 {
		b := Batch{Log: []byte(strings.Repeat("touch", 200))}
		for range 50 {
			r := Record{Number: rnd.Uint64N(700)}
			if rnd.IntN(5) > 0 {
				r.Content = bytes.Repeat([]byte{byte(rnd.IntN(256))}, 1+rnd.IntN(300))
			}
			b.Records = append(b.Records, r)
		}
		commit(t, f, b)
	}
	// A page that spills over, and an older state of the file for stale pages.
	commit(t, f, Batch{Records: []Record{{5000, bytes.Repeat([]byte("big"), 10_000)}}})
	want, err := load(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	path := filepath.Join(dir, Name)
	old, _ := os.ReadFile(path)
	f = openFile(t, dir)
	before := want
	for number := range uint64(700) {
		if number%7 == 0 {
			commit(t, f, Batch{Records: []Record{{number, []byte("later")}}})
			before = content{maps.Clone(want.records), want.log, want.first}
			want.records[number] = "later"
		}
	}
	f.Close()
	now, _ := os.ReadFile(path)
	page := os.Getpagesize()
	pages := len(now) / page

	found := map[string]int{}
	for i := range damages {
		b := bytes.Clone(now)
		at := rnd.IntN(pages) * page
		kind := []string{"bit", "byte in a head", "zeros", "noise", "stale", "swapped", "cut"}[i%7]
		switch kind {
		case "bit":
			b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		case "byte in a head":
			b[at+rnd.IntN(64)] = byte(rnd.IntN(256))
		case "zeros":
			clear(b[at : at+page])
		case "noise":
			for j := range page {
				b[at+j] = byte(rnd.Uint32())
			}
		case "stale":
			if at+page <= len(old) {
				copy(b[at:at+page], old[at:])
			}
		case "swapped":
			from := rnd.IntN(pages) * page
			copy(b[at:at+page], now[from:from+page])
		case "cut":
			b = b[:rnd.IntN(len(b))]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		refused := func() bool {
			f, err := Open(dir, Options{NoSync: true})
			if err != nil {
				return true
			}
			defer f.Close()
			got, err := load(f)
			// With the newest of two heads spoilt, the file is as before the last commit:
			// so it is too when the power goes while that head is written.
			head := at/page < 2 || kind == "bit"
			if err == nil && !got.equal(want) && !(head && got.equal(before)) {
				t.Fatalf("%s at page %d: other content, and no error", kind, at/page)
			}
			return err != nil
		}()
		if refused {
			found[kind]++
			if after, _ := os.ReadFile(path); !bytes.Equal(b, after) {
				t.Fatalf("%s at page %d: the refused file was changed", kind, at/page)
			}
		}
	}
	t.Logf("of %d pages; refused of %d each: %v", pages, damages/7, found)
	for _, kind := range []string{"bit", "byte in a head", "zeros", "noise", "stale", "swapped", "cut"} {
		if found[kind] == 0 {
			t.Errorf("%s was never found", kind)
		}
	}
}

// TestCommitFails lets writes fail in each way.
func TestCommitFails(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: Name, Err: syscall.ENOSPC}
	for name, c := range map[string]struct {
		done   bool // whether the write was done all the same
		err    error
		broken bool
	}{
		"full":              {err: full},
		"full, at the end":  {done: true, err: full},
		"cannot grow":       {err: errors.New("file resize error: truncate: file too large")},
		"fsync":             {err: syscall.EIO, broken: true},
		"fsync, done":       {done: true, err: syscall.EIO, broken: true},
		"fsync of the size": {err: errors.New("file sync error: input/output error"), broken: true},
		"panic":             {broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := openFile(t, dir)
			commit(t, f, Batch{Records: []Record{{1, []byte("one")}, {2, []byte("two")}}})
			f.write = func(do func(*bbolt.Tx) error) error {
				if c.done {
					if err := f.db.Update(do); err != nil {
						t.Fatal(err)
					}
				}
				if c.err == nil {
					panic("a fault")
				}
				return c.err
			}
			b := Batch{Records: []Record{{1, []byte("changed")}, {2, nil}, {3, []byte("three")}}, Last: 3}
			if err := f.Commit(&b); err == nil || errors.Is(err, ErrBroken) != c.broken {
				t.Errorf("%v", err)
			}
			f.write = f.db.Update
			if err := f.Commit(&b); errors.Is(err, ErrBroken) != c.broken {
				t.Errorf("the next one: %v", err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if name == "panic" {
				return // it is still open
			}
			f = openFile(t, dir)
			defer f.Close()
			got, err := load(f)
			if err != nil {
				t.Fatal(err)
			}
			want := map[uint64]string{1: "changed", 3: "three"}
			if c.broken && !c.done {
				want = map[uint64]string{1: "one", 2: "two"}
			}
			if !maps.Equal(got.records, want) {
				t.Errorf("%v, want %v", got.records, want)
			}
		})
	}
}

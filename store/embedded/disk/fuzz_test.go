package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen writes into a sound file, in some places at once, and cuts it: it is refused,
// or holds what one of the commits left. The newest two are in a file, so that one can be
// torn off.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	file := openFile(f, dir)
	var states []content
	for i := range uint64(3) {
		commit(f, file, Batch{
			Records: []Record{{Number: 1 + i, Content: []byte("a record")}, {Number: 9, Content: make([]byte, 5000*i)}},
			Log:     []byte("an entry"), Forget: i, Last: 9 + i,
		})
		c, err := load(file)
		if err != nil {
			f.Fatal(err)
		}
		states = append(states, c)
	}
	file.Close()
	sound, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		f.Fatal(err)
	}
	pageSize := os.Getpagesize()
	f.Add([]byte{}, uint32(0), uint32(0), uint32(0))
	f.Add([]byte{0xff}, uint32(16), uint32(pageSize+20), uint32(0))      // the heads
	f.Add([]byte{1, 0, 2}, uint32(2*pageSize+8), uint32(70), uint32(1))  // what is in a page
	f.Add([]byte{0, 0, 0, 0}, uint32(64), uint32(pageSize), uint32(900)) // and a file that ends too early
	f.Fuzz(func(t *testing.T, patch []byte, one, two, cut uint32) {
		text := append([]byte(nil), sound...)
		for _, at := range []uint32{one, two} {
			copy(text[at%uint32(len(text)):], patch)
		}
		text = text[:len(text)-int(cut)%len(text)]
		dir := t.TempDir()
		path := filepath.Join(dir, Name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Open(dir, Options{NoSync: true})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewer) {
				t.Errorf("refused without a reason: %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(text) {
				t.Error("a file that is refused was changed")
			}
			return
		}
		defer file.Close()
		got, err := load(file)
		if err != nil {
			return
		}
		for _, state := range states {
			if got.equal(state) {
				return
			}
		}
		t.Errorf("%d records and %d log entries, as there never were", len(got.records), len(got.log))
	})
}

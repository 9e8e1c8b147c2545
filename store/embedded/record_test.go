package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// TestOpenRefusesForeignRecords opens a sound file with something else in it.
func TestOpenRefusesForeignRecords(t *testing.T) {
	sound := stored{session: session{text: "user", idLen: 4, token: pack(store.NewToken("user")), ttl: 10}, app: "app"}
	other := sound
	other.token = pack(store.NewToken("other"))
	for name, content := range map[string][]byte{
		"noise":           []byte("\xff\xff\xff"),
		"no token":        appendBytes(nil, fieldApp, "app"),
		"a later field":   appendNumber(sound.append(nil), 100, 1),
		"another's token": other.append(nil),
	} {
		dir := privateDir(t)
		f, err := disk.Open(dir, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(&disk.Batch{Records: []disk.Record{{Number: 77, Content: content}}}); err != nil {
			t.Fatal(err)
		}
		f.Close()
		before, _ := os.ReadFile(filepath.Join(dir, disk.Name))
		if _, err := Open(Options{Dir: dir}); !errors.Is(err, errRecord) || !strings.Contains(err.Error(), "record 77") {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, disk.Name)); string(before) != string(after) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// TestTouch applies touches to a record that is older, as old, and newer.
func TestTouch(t *testing.T) {
	for _, c := range []struct {
		rec  session
		t    touch
		want session
	}{
		{session{r: 1, lastActivity: 100, ttl: 50}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 110, ttl: 50}},
		{session{r: 1, lastActivity: 100, ttl: 50, noResave: true}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 110, ttl: 40, noResave: true}},
		{session{r: 3, lastActivity: 100, ttl: 50}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 110, ttl: 50}},
		{session{r: 3, lastActivity: 100, ttl: 50, noResave: true}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 110, ttl: 40, noResave: true}},
		{session{r: 3, lastActivity: 110, ttl: 40, noResave: true}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 110, ttl: 40, noResave: true}},
		{session{r: 3, lastActivity: 120}, touch{r: 3, lastActivity: 110}, session{r: 3, lastActivity: 120}},
		{session{r: 4, lastActivity: 100}, touch{r: 3, lastActivity: 110}, session{r: 4, lastActivity: 100}},
		{session{r: 1, lastActivity: 100}, touch{r: 2, lastActivity: 90}, session{r: 2, lastActivity: 100}},
	} {
		got := c.rec
		if c.t.apply(&got); got != c.want {
			t.Errorf("%+v on %+v: %+v", c.t, c.rec, got)
		}
	}
}

// FuzzRecord parses records and log entries of anybody, and what it can parse it
// writes and parses again.
func FuzzRecord(f *testing.F) {
	full := stored{session: session{
		text: "user::1", idLen: 4, ipLen: 3, created: 1_690_000_000, d: `{"a":1}`, token: pack(store.NewToken("user")), ttl: -1, lastActivity: 1_700_000_000,
		end: 1_800_000_000, r: 5, w: 6, noResave: true,
	}, app: "app", userActivity: 1_700_000_001}
	f.Add(full.append(nil))
	rotated := full
	rotated.keepFirst()
	rotated.token = pack(store.NewToken("user"))
	f.Add(rotated.append(nil))
	old := stored{session: session{token: full.token}, aliasOf: 7, until: 8}
	f.Add(old.append(nil))
	f.Add(appendTouches(nil, []touch{{1, 2, 3}, {1 << 40, -5, 1 << 50}, {2, 1, 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, again stored
		if shard, ok := shardOfRecord(b); ok != (ok && shard < shards) {
			t.Error(shard)
		}
		if err := one.parse(b); err == nil {
			if err := again.parse(one.append(nil)); err != nil || !alike(one, again) {
				t.Errorf("%+v, then %+v, %v", one, again, err)
			}
		}
		var touches []touch
		if err := parseTouches(b, func(t touch) { touches = append(touches, t) }); err == nil {
			i := 0
			err := parseTouches(appendTouches(nil, touches), func(got touch) {
				if got != touches[i] {
					t.Errorf("%+v, then %+v", touches[i], got)
				}
				i++
			})
			if err != nil || i != len(touches) {
				t.Errorf("%d of %d touches, %v", i, len(touches), err)
			}
		}
	})
}

// alike compares records but for a user's activity that says nothing.
func alike(a, b stored) bool {
	for _, s := range []*stored{&a, &b} {
		if s.userActivity <= s.lastActivity {
			s.userActivity = 0
		}
	}
	return a == b
}

package layout

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/store"
)

// TestTagsNeverChange holds the names of keys that are out there.
func TestTagsNeverChange(t *testing.T) {
	if got := checksum(0, "123456789"); got != 0x31C3 { // the check value of CRC-16/XMODEM
		t.Errorf("the checksum is %#x", got)
	}
	for _, c := range []struct {
		app           string
		buckets       int
		first, second string
		last          string
	}{
		{"shop", 64, "drs:{shop.333}:", "drs:{shop.52}:", "drs:{shop.363}:"},
		{"app", 1024, "drs:{app.2758}:", "drs:{app.736}:", "drs:{app.797}:"},
		{"_sessions", 1, "drs:{_sessions.0}:", "drs:{_sessions.0}:", "drs:{_sessions.0}:"},
	} {
		parts := bucketsOf("drs:", c.app, c.buckets)
		got := [3]string{parts[0].Prefix, parts[min(1, c.buckets-1)].Prefix, parts[c.buckets-1].Prefix}
		if want := [3]string{c.first, c.second, c.last}; got != want {
			t.Errorf("%s in %d: %q, not %q", c.app, c.buckets, got, want)
		}
	}
}

// TestBuckets checks the buckets of many apps: each in its range of slots.
func TestBuckets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	apps := []string{"app", "_sessions", "---", "00000000000000000000", strings.Repeat("z", store.MaxAppLen), ""}
	for range 3000 {
		name := make([]byte, store.MinAppLen+r.IntN(store.MaxAppLen-store.MinAppLen+1))
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"[r.IntN(64)]
		}
		apps = append(apps, string(name))
	}
	for i, app := range apps {
		buckets := 1 << (i % 11)
		l := Sharded("ns:", buckets)
		seen := map[string]bool{}
		for b, p := range l.Buckets(app) {
			tag, ok := strings.CutPrefix(strings.TrimSuffix(p.Prefix, "}:"), "ns:{"+app+".")
			if _, err := strconv.Atoi(tag); !ok || err != nil || seen[p.Prefix] {
				t.Fatalf("bucket %d of %s: %s", b, app, p.Prefix)
			}
			seen[p.Prefix] = true
			slot := int(checksum(0, app+"."+tag)) % Slots
			if p.Slot != slot || slot < b*Slots/buckets || slot >= (b+1)*Slots/buckets {
				t.Errorf("bucket %d of %d of %s is in slot %d, says %d", b, buckets, app, slot, p.Slot)
			}
			if p.App != app || l.AppOf(p.Prefix) != app || p.Wipe != p.Prefix+"SESSIONS" || l.WipeOf(p.Prefix) != p.Wipe {
				t.Errorf("%s: %+v, %s, %s", app, p, l.AppOf(p.Prefix), l.WipeOf(p.Prefix))
			}
		}
	}
}

// TestTokenFindsItsBucket checks that a token is in the bucket of its user's id.
func TestTokenFindsItsBucket(t *testing.T) {
	for _, buckets := range []int{1, 2, 64, 1024} {
		l := Sharded("ns:", buckets)
		for i := range 2000 {
			id := fmt.Sprint("user", i)
			if a, b := l.OfID("app", id), l.OfToken("app", store.NewToken(id)); a != b {
				t.Fatalf("%d buckets: %s is in %s, its token in %s", buckets, id, a.Prefix, b.Prefix)
			}
		}
	}
}

// TestTagCacheIsBounded names more apps than the cache may hold.
func TestTagCacheIsBounded(t *testing.T) {
	const buckets = 1024
	c := newTagCache("ns:", buckets)
	for i := range 3 * maxCached / buckets {
		app := "app" + strconv.Itoa(i)
		if got := c.of(app); got[0].App != app || len(got) != buckets {
			t.Fatalf("%s: %+v", app, got[0])
		}
	}
	if len(c.apps) > maxCached/buckets {
		t.Errorf("%d apps are cached", len(c.apps))
	}
}

// TestSpread computes how users spread over masters with equal ranges of slots:
// by our tags, and by tags that are just the bucket's number.
func TestSpread(t *testing.T) {
	const apps, users = 50, 100_000
	perBucket := make([]int, store.Buckets)
	for i := range users {
		perBucket[store.Bucket("user"+strconv.Itoa(i))]++
	}
	// worst is how far the fullest or emptiest master is off its share.
	worst := func(masters, buckets int, slotOf func(b int) int) float64 {
		load := make([]int, masters)
		for b, n := range perBucket {
			load[slotOf(b%buckets)*masters/Slots] += n
		}
		off := 0.0
		for _, n := range load {
			off = max(off, math.Abs(float64(n)*float64(masters)/users-1))
		}
		return off
	}
	for _, masters := range []int{3, 5, 6, 12} {
		for _, buckets := range []int{64, 256, 1024} {
			ours, plain, over := 0.0, 0.0, 0
			for a := range apps {
				app := "app" + strconv.Itoa(a)
				parts := bucketsOf("ns:", app, buckets)
				ours = max(ours, worst(masters, buckets, func(b int) int { return parts[b].Slot }))
				p := worst(masters, buckets, func(b int) int { return int(checksum(0, app+"."+strconv.Itoa(b))) % Slots })
				plain = max(plain, p)
				if p > 0.1 {
					over++
				}
			}
			t.Logf("%2d masters, %4d buckets: off by at most %4.1f%%; with plain tags by %5.1f%%, over 10%% in %d of %d apps",
				masters, buckets, 100*ours, 100*plain, over, apps)
			// A bucket at either end of a master's range may be on either side; the rest
			// is how users fall into buckets.
			if most := 2*float64(masters)/float64(buckets) + 0.05; ours > most {
				t.Errorf("%d masters, %d buckets: off by %.3f", masters, buckets, ours)
			}
		}
	}
}

func BenchmarkBucketsOf(b *testing.B) {
	for _, buckets := range []int{64, 1024} {
		b.Run(strconv.Itoa(buckets), func(b *testing.B) {
			for b.Loop() {
				bucketsOf("ns:", "shop", buckets)
			}
		})
	}
}

//go:build !race

package redis

import (
	"math"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/storetest"
)

// These take minutes under the race detector; TestReshard, TestFailover and
// TestClusterDifferential drive the same code under it.

func TestClusterConformance(t *testing.T) {
	cluster := ofCluster(t)
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) store.Store {
		return openCluster(t, cluster, 16, clock) // more make all that asks every bucket slower
	})
}

// TestClusterSpread creates 100,000 sessions and counts them on each master.
func TestClusterSpread(t *testing.T) {
	cluster := ofCluster(t)
	s := openCluster(t, cluster, layout.DefaultBuckets, nil)
	defer s.Close()
	const n = 100_000
	seed(t, s, "app", n, 7200)
	total := 0
	for _, master := range cluster.Masters {
		held := 0
		for _, p := range s.client.Made().Layout.Buckets("app") {
			if k, ok := master.Do(t, "ZCARD", p.Sessions()).(int64); ok { // else MOVED
				held += int(k)
			}
		}
		t.Logf("%s: %d sessions, %+.1f%%", master.Addr(), held, 100*(float64(held)*3/n-1))
		if off := math.Abs(float64(held)*3/n - 1); off > 0.1 {
			t.Errorf("a master holds %d of %d sessions", held, n)
		}
		total += held
	}
	if total != n {
		t.Errorf("%d sessions on all masters, not %d", total, n)
	}
}

package redis

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store/embedded"
	"rest-sessions/store/storetest"
)

// sharedCluster is a cluster for tests that leave it as it was.
var sharedCluster struct {
	sync.Mutex
	*redistest.Cluster
}

// ofCluster returns the shared cluster, and starts it for the first who asks.
func ofCluster(tb testing.TB) *redistest.Cluster {
	tb.Helper()
	redistest.SkipShort(tb)
	sharedCluster.Lock()
	defer sharedCluster.Unlock()
	if sharedCluster.Cluster == nil {
		cluster, err := redistest.RunCluster(false)
		if errors.Is(err, redistest.ErrNoServer) && os.Getenv(redistest.RequireEnv) != "1" {
			tb.Skip(err)
		}
		if err != nil {
			tb.Fatal(err)
		}
		sharedCluster.Cluster = cluster
	}
	return sharedCluster.Cluster
}

func TestMain(m *testing.M) {
	status := m.Run()
	if sharedCluster.Cluster != nil {
		sharedCluster.Close()
	}
	os.Exit(status)
}

// openCluster opens a store in a namespace of its own on a cluster. With a clock, its
// scripts ask that for the time.
func openCluster(tb testing.TB, cluster *redistest.Cluster, buckets int, clock *storetest.Clock) *Store {
	tb.Helper()
	o := Options{Namespace: newNamespace(), Buckets: buckets, Timeout: testTimeout, DialTimeout: testTimeout}
	if clock != nil {
		var set func(now int64)
		o.Clock, set = cluster.Clock(tb, o.Namespace)
		clock.OnChange(set)
	}
	s := openClusterAs(tb, cluster, o)
	// They would count among the calls of the test.
	eventually(tb, "the writes of the start are done", func() bool { return s.Writable() && !s.client.Probing() })
	eventually(tb, "the cluster is reached", func() bool { return s.Ping(tb.Context()) == nil })
	s.registry.Close() // waits for those that no answer waited for
	return s
}

// openBrief opens a store in a namespace with a time-out that a test means to see.
func openBrief(tb testing.TB, cluster *redistest.Cluster, namespace string, timeout time.Duration) *Store {
	tb.Helper()
	return openClusterAs(tb, cluster, Options{Namespace: namespace, Timeout: timeout, DialTimeout: timeout})
}

func openClusterAs(tb testing.TB, cluster *redistest.Cluster, o Options) *Store {
	tb.Helper()
	o.Host, o.Port, o.Logf = "127.0.0.1", cluster.Masters[len(cluster.Masters)-1].Port(), tb.Logf
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestClusterDifferential does the same to this engine on a cluster and to the
// embedded one.
func TestClusterDifferential(t *testing.T) {
	cluster := ofCluster(t)
	for i, buckets := range []int{64, 2, 1024} {
		ops := 2000
		if buckets == 1024 {
			ops = 300
		}
		t.Run(strconv.Itoa(buckets), func(t *testing.T) {
			t.Parallel()
			clock := storetest.NewClock(1_700_000_030)
			a := openCluster(t, cluster, buckets, clock)
			defer a.Close()
			b := embedded.New(embedded.Options{Now: clock.Now})
			defer b.Close()
			storetest.Differential(t, uint64(i+1), ops, a, b, clock)
			checkIndexesOn(t, cluster.Masters, a)
		})
	}
}

package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// resumeLimit is how long after its election a replica's sessions may still answer
// store.ErrUnavailable.
const resumeLimit = backWithin

// TestFailover kills masters with SIGKILL under a mix of operations. The first has
// been stopped from writing until its replica had all, so Redis itself loses
// nothing, and no answer may show a loss. The second is killed in the middle of
// it, and what it acknowledged in its last second may be lost, nothing else.
func TestFailover(t *testing.T) {
	cluster := redistest.StartCluster(t, true, "--cluster-node-timeout", "3000")
	s := openBrief(t, cluster, "failover", testTimeout) // a master that is killed does not keep one waiting
	defer s.Close()
	var troubled atomic.Int64 // bits: the masters that were killed
	l := newLedger(t, s, func(slot int) bool { return troubled.Load()&(1<<masterOf(slot)) != 0 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx)
	}()
	probes := probe(t, s)
	time.Sleep(time.Second) // some history

	for i, warned := range []bool{true, false} {
		master, replica := cluster.Masters[i], cluster.Replicas[i]
		if warned {
			master.Do(t, "CLIENT", "PAUSE", "10000", "WRITE")
			eventually(t, "the replica has all", func() bool {
				return master.Field("INFO replication", "master_repl_offset") == replica.Field("INFO replication", "master_repl_offset")
			})
		}
		killed := time.Now()
		troubled.Store(troubled.Load() | 1<<i)
		master.Stop()
		if !warned {
			l.lost(func(slot int) bool { return masterOf(slot) == i })
		}
		eventually(t, "the replica is elected", func() bool { return replica.Role() == "master" })
		elected := time.Now()
		before := l.unavailable.Load()
		for _, token := range probes[i] {
			for {
				_, err := s.Get(ctx, "probe", token)
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("a probe: %v", err)
				}
				if time.Since(elected) > resumeLimit {
					t.Fatalf("%v after the election: %v", time.Since(elected), err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		t.Logf("warned: %v; elected after %v, service resumed %v later; %d calls unavailable, %d of them since the election", warned,
			elected.Sub(killed).Round(time.Millisecond), time.Since(elected).Round(time.Millisecond),
			l.unavailable.Load(), l.unavailable.Load()-before)
		time.Sleep(500 * time.Millisecond) // and all may fail again, if it is to
		troubled.Store(troubled.Load() &^ (1 << i))
		time.Sleep(500 * time.Millisecond)
	}
	cancel()
	<-ended
	l.settle()
	nodes := []*redistest.Server{cluster.Replicas[0], cluster.Replicas[1], cluster.Masters[2]}
	checkIndexesOn(t, nodes, s)
	l.end()
}

// masterOf returns the index of the master that a slot was given to at the start.
func masterOf(slot int) int {
	for i := range 3 {
		if slot < (i+1)*layout.Slots/3 {
			return i
		}
	}
	return 2
}

// probe starts a session in each bucket of another app, and returns their tokens by
// master.
func probe(t *testing.T, s *Store) (tokens [3][]string) {
	t.Helper()
	lay, err := s.layout(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for i := 0; len(seen) < len(lay.Buckets("probe")); i++ {
		id := "probe" + strconv.Itoa(i)
		slot := lay.OfID("probe", id).Slot
		if !seen[slot] {
			seen[slot] = true
			tokens[masterOf(slot)] = append(tokens[masterOf(slot)], create(t, s, "probe", id, 7200))
		}
	}
	return tokens
}

// TestSilentNode stops a master without closing its connections: calls for its
// sessions and for the whole app give up in time, and those for others go on meanwhile.
func TestSilentNode(t *testing.T) {
	cluster := ofCluster(t)
	patient := openCluster(t, cluster, 0, nil)
	defer patient.Close()
	const timeout = 2 * briefTimeout
	s := openBrief(t, cluster, strings.TrimSuffix(patient.keys.NS, ":"), timeout)
	defer s.Close()
	tokens := probe(t, patient)
	ctx := context.Background()
	eventually(t, "all nodes are reached", func() bool {
		for _, some := range tokens {
			for _, token := range some {
				if _, err := s.Get(ctx, "probe", token); err != nil {
					return false
				}
			}
		}
		_, err := s.Activity(ctx, "probe", 60)
		return err == nil
	})
	cluster.Masters[0].Pause()
	defer cluster.Masters[0].Resume()
	var wg sync.WaitGroup
	var gaveUp atomic.Bool // a call for what is on the silent node
	for range 8 {
		for master, some := range tokens {
			for _, token := range some {
				wg.Go(func() {
					start := time.Now()
					_, err := s.Get(ctx, "probe", token)
					if took := time.Since(start); took > 2*timeout {
						t.Errorf("get took %v", took)
					}
					if master == 0 {
						gaveUp.Store(true)
						if !errors.Is(err, store.ErrUnavailable) {
							t.Errorf("get from the silent node: %v", err)
						}
					}
					if master == 2 && err != nil {
						t.Errorf("get from a sound node: %v", err)
					}
				})
			}
		}
		wg.Go(func() {
			if n, err := s.Activity(ctx, "probe", 60); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("activity without a node: %d, %v", n, err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // they are on their way
	for i := range 20 {
		token := tokens[2][i%len(tokens[2])]
		if _, err := s.Set(ctx, "probe", token, number(i)); err != nil {
			t.Errorf("set on a sound node: %v", err)
		}
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("ping, while two nodes of three are sound: %v", err)
	}
	if gaveUp.Load() {
		t.Errorf("calls of sound nodes wait for those of the silent one")
	}
	wg.Wait()
	for what, call := range map[string]func() error{
		"soapp":   func() error { return second(readList(ctx, s.SessionsOfApp(ctx, "probe", 60))) },
		"killall": func() error { return second(s.KillApp(ctx, "probe")) },
		"wipe":    func() error { return second(s.Wipe(ctx)) },
	} {
		wg.Go(func() {
			if err := call(); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s without a node: %v", what, err)
			}
		})
	}
	wg.Wait()
	cluster.Masters[0].Resume()
	eventually(t, "all of it serves", func() bool { _, err := s.Activity(ctx, "probe", 60); return err == nil })
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

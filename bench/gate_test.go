//go:build !race

package bench

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// The gate: limits that hold on any machine, since each is a count or a ratio
// taken in one run, and that are wide enough for a noisy one. Each stands beside
// what two shared cores measured.
const (
	// maxAllocations bounds the allocations of a read on the Redis engine, shared
	// calls included: 0.16 measured with 64 readers, 6 without batches. One more
	// allocation a read is over it.
	maxAllocations = 1
	// maxCalls bounds the script calls of 1,000 reads by 64 readers: 20 to 35
	// measured, 1,000 without batches.
	maxCalls = 250
	// minThroughput is the least requests a second of get on one session against
	// hello: 0.6 to 0.7 measured, 0.12 without batches.
	minThroughput = 0.35
	// maxRedisCPU bounds what a read of one in 100,000 sessions costs Redis against
	// the original's commands: 0.3 to 0.4 measured, 1.6 without batches.
	maxRedisCPU = 1.0
	// maxNear bounds the time that a lone client waits for a near get against hello: 1.1
	// measured, 5 where Redis is asked.
	maxNear = 3.0
)

// TestGateReads counts what many reads at once cost.
func TestGateReads(t *testing.T) {
	server := redistest.Start(t)
	s := openRedis(t, server)
	tokens := seedStore(t, s, 1000)
	const readers, each = 64, 500
	read := func() {
		var wg sync.WaitGroup
		for reader := range readers {
			wg.Go(func() {
				for i := range each {
					if _, err := s.Get(context.Background(), app, tokens[(reader*each+i)%len(tokens)]); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	read() // pools fill
	calls := scriptCalls(t, server)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	const reads = readers * each
	allocations := float64(after.Mallocs-before.Mallocs) / reads
	per1000 := float64(scriptCalls(t, server)-calls) * 1000 / reads
	t.Logf("a read allocates %.2f times; 1,000 reads are %.0f script calls", allocations, per1000)
	if allocations > maxAllocations {
		t.Errorf("a read allocates %.2f times, the limit is %d", allocations, maxAllocations)
	}
	if per1000 > maxCalls {
		t.Errorf("1,000 reads are %.0f script calls, the limit is %d", per1000, maxCalls)
	}
}

// scriptCalls returns how many EVALSHA a Redis has run.
func scriptCalls(tb testing.TB, server *redistest.Server) int {
	tb.Helper()
	for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", "commandstats"))) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:calls="); ok {
			count, _, _ := strings.Cut(rest, ",")
			n, _ := strconv.Atoi(count)
			return n
		}
	}
	return 0
}

// TestGateThroughput holds get against hello.
func TestGateThroughput(t *testing.T) {
	yard, ours := startYard(t), startRedis(t, 1)
	reads := get(app, ours.tokens, Hot)
	got := medianRatio(ours.slice(t, reads), yard.slice(t, reads), rateOf)
	t.Logf("get: %.2f of hello's requests/s", got)
	if got < minThroughput {
		t.Errorf("get: %.2f of hello's requests/s, the limit is %.2f", got, minThroughput)
	}
}

// TestGateRedisCPU holds a read against the original's commands.
func TestGateRedisCPU(t *testing.T) {
	got := medianRatio(startReaders(t), startNaive(t), redisCPUOf)
	t.Logf("get: %.2f of the Redis CPU of the original's commands", got)
	if got > maxRedisCPU {
		t.Errorf("get: %.2f of the Redis CPU of the original's commands, the limit is %.2f", got, maxRedisCPU)
	}
}

// medianRatio returns the median ratio of a figure of a and b, run in turn. Three rounds
// do for limits as wide as these.
func medianRatio(a, b func() figures, figure func(figures) float64) float64 {
	a() // warm: connections, pools, caches
	b()
	var as, bs []figures
	for range 3 {
		as, bs = append(as, a()), append(bs, b())
	}
	return ratios(as, bs, figure)[1]
}

// TestGateNear holds near reads: one allocates nothing, and a lone client gets it in the time
// of hello.
func TestGateNear(t *testing.T) {
	server := redistest.Start(t)
	s := openEngine(t, redisOptions(server.Port(), true))
	token := seedStore(t, s, 1)[0]
	read := func() {
		if _, err := s.Get(context.Background(), app, token); err != nil {
			t.Fatal(err)
		}
	}
	for begin := time.Now(); s.CacheFigures().Hits == 0; time.Sleep(time.Millisecond) { // without a lease
		if read(); time.Since(begin) > 10*time.Second {
			t.Fatal("no read was answered near")
		}
	}
	// Of 10,000 the few that Redis was asked for are a tenth of one allocation or less.
	if allocations := testing.AllocsPerRun(10_000, read); allocations != 0 {
		t.Errorf("a near read allocates %.0f times", allocations)
	}

	yard, ours := startYard(t), startSite(t, "near "+strconv.Itoa(server.Port()), server, 1)
	reads := get(app, ours.tokens, Hot)
	got := medianRatio(ours.lone(t, reads), yard.lone(t, reads), p50Of)
	t.Logf("near get, a lone client: %.2f times the p50 of hello", got)
	if got > maxNear {
		t.Errorf("near get, a lone client: %.2f times the p50 of hello, the limit is %.1f", got, maxNear)
	}
}

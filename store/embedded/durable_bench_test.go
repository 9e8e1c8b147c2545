package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// fill creates sessions by many callers.
func fill(b *testing.B, s *Store, sessions int) []string {
	tokens := make([]string, sessions)
	d := store.Data{{Key: `"name"`, Value: `"Jane"`}, {Key: `"cart"`, Value: "3"}}
	var wg sync.WaitGroup
	const callers = 500
	for i := range callers {
		wg.Go(func() {
			for j := i; j < sessions; j += callers {
				tokens[j] = create(b, s, "app", store.New{ID: fmt.Sprintf("user-%011d", j), Data: d})
			}
		})
	}
	wg.Wait()
	return tokens
}

// BenchmarkOpen reports how long it takes to open a directory of a million
// sessions, of which all were read since they were written.
func BenchmarkOpen(b *testing.B) {
	const sessions = 1_000_000
	dir := privateDir(b)
	s, err := Open(Options{Dir: dir, Logf: b.Logf})
	if err != nil {
		b.Fatal(err)
	}
	for _, token := range fill(b, s, sessions) {
		if _, err := s.Get(context.Background(), "app", token); err != nil {
			b.Fatal(err)
		}
	}
	s.Close()
	runtime.GC()
	for b.Loop() {
		before := cpuTime(b)
		if s, err = Open(Options{Dir: dir, Logf: b.Logf}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric((cpuTime(b) - before).Seconds(), "cpu-s")
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	info, err := os.Stat(filepath.Join(dir, disk.Name))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/sessions, "file-B/session")
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

//go:build linux

// Command soak keeps a real rest-sessions at twice of its capacity, holds every answer to
// be the right session or a 503 that says when to come again, and compares the server's
// goroutines and memory at the end with those at the start. All the while the server writes
// a line a request to a log whose reader has stopped. Then it lets idle connections
// stand beside a load that the server can bear. It exits with 1 if a limit is broken, with 2
// if it could not run.
//
//	soak -server PATH [-seconds 60] [-idle 10000]
//
// scripts/soak builds what it needs.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"rest-sessions/loadtest/site"
	"rest-sessions/loadtest/stats"
)

const (
	// width is the bytes a second of Redis' replies: the server's capacity is what they
	// are worth, not the processors, which it shares with the load. So the load is what it
	// is meant to be.
	width = 300_000
	// crowd is how many clients the load comes from: more than may wait before a queue is
	// suspected.
	crowd = 1000
	// step is how long a line of the output lasts.
	step = 10 * time.Second
	// warmUp is how long the load lasts before the start is measured: by then the pools
	// are as large as they get.
	warmUp = 30 * time.Second
	// drift is how far the end may be from the start, a share.
	drift = 0.10
	// noteLimit is how long after the log is read again it tells of lines that were dropped.
	noteLimit = 10 * time.Second
	// spareFiles is what this process opens besides the connections.
	spareFiles = 100
)

func main() { os.Exit(run()) }

func run() int {
	server := flag.String("server", "", "the rest-sessions to soak")
	seconds := flag.Int("seconds", 60, "how long")
	idle := flag.Int("idle", 10_000, "idle connections afterwards; 0 for none")
	flag.Parse()
	if *server == "" || *seconds < 1 || *idle < 0 || flag.NArg() > 0 {
		flag.Usage()
		return 2
	}
	problems, err := soak(*server, time.Duration(*seconds)*time.Second, *idle)
	if err != nil {
		fmt.Fprintf(os.Stderr, "soak: %v\n", err)
		return 2
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	fmt.Printf("%d limits broken\n", len(problems))
	return min(1, len(problems))
}

func soak(server string, lasting time.Duration, idle int) (problems []string, err error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, err
	}
	if need := crowd + idle + spareFiles; need > int(files.Cur) {
		return nil, fmt.Errorf("%d connections need %d open files, and the limit is %d (ulimit -n)", crowd+idle, need, files.Cur)
	}
	site, err := site.New(server, true, nil, "RS_LOGLEVEL=short")
	if err != nil {
		return nil, err
	}
	defer site.Close()
	site.Log.Stall()
	f := &fleet{addr: strings.TrimPrefix(site.URL, "http://")}
	defer f.close()
	if err := f.connect(crowd); err != nil {
		return nil, err
	}
	if err := f.seed(); err != nil {
		return nil, err
	}
	site.Proxy.Narrow(width)
	const few = 64
	capacity := f.closedLoop(few, 3*time.Second)
	fmt.Printf("%d clients can have %.0f requests/s\n", few, capacity)
	tell := func(name string, a answers) (goroutines, memory int, err error) {
		goroutines, memory, err = site.Measure()
		fmt.Printf("%-12s %6.0f/s served, p50 %4d ms, p99 %4d ms, %6.0f/s shed, %5d goroutines, %4.1f MiB\n", name,
			float64(len(a.served))/a.took.Seconds(), percentile(a.served, 0.5), percentile(a.served, 0.99),
			float64(a.shed)/a.took.Seconds(), goroutines, float64(memory)/(1<<20))
		return goroutines, memory, err
	}
	if _, _, err := tell("at half", f.openLoop(capacity/2, step/2)); err != nil {
		return nil, err
	}
	warm := f.openLoop(2*capacity, warmUp)
	goroutines, memory, err := tell("at twice", warm)
	if err != nil {
		return nil, err
	}
	broken := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	endGoroutines, endMemory, shed := 0, 0, warm.shed
	for done := time.Duration(0); done < lasting; done += step {
		took := min(step, lasting-done)
		a := f.openLoop(2*capacity, took)
		if endGoroutines, endMemory, err = tell(fmt.Sprintf("%v", done+took), a); err != nil {
			return nil, err
		}
		shed += a.shed
	}
	far := func(start, end int) bool { return float64(max(start, end)) > (1+drift)*float64(min(start, end)) }
	broken(far(goroutines, endGoroutines), "%d goroutines at the start, %d at the end", goroutines, endGoroutines)
	broken(far(memory, endMemory), "%d KiB of resident memory at the start, %d at the end", memory>>10, endMemory>>10)
	broken(shed == 0, "nothing was shed: the load was no overload")
	after := f.openLoop(capacity/2, step/2)
	if _, _, err := tell("at half", after); err != nil {
		return nil, err
	}
	fmt.Printf("the last was shed %d ms after the load was halved\n", after.last.Milliseconds())
	if idle > 0 {
		if err := f.standIdle(site, idle, capacity/2, tell, broken); err != nil {
			return nil, err
		}
	}
	if err := resumeLog(site, broken); err != nil {
		return nil, err
	}
	if n := f.failed.Load(); n > 0 {
		broken(true, "%d requests had no answer or a wrong one: %s", n, *f.example.Load())
	}
	broken(!site.Alive(), "the server ended")
	if len(problems) > 0 {
		problems = append(problems, "the server's log: "+programLines(site.Log.String()))
	}
	return problems, nil
}

// percentile is one of times in ms, 0 of none.
func percentile(of []time.Duration, p float64) int64 {
	return stats.NewSample(of).At(p).Milliseconds()
}

// resumeLog reads the log again, and wants the lines counted that could not be written.
func resumeLog(s *site.Site, broken func(bool, string, ...any)) error {
	dropped, err := s.Metric("rest_sessions_log_dropped_total")
	if err != nil {
		return err
	}
	fmt.Printf("the reader of the log had stopped: %d lines dropped\n", dropped)
	broken(dropped == 0, "no line of the log was dropped, though nobody read it")
	s.Log.Resume()
	// The counter tells of both logs, the note of that of requests, which has nearly all.
	const note = "LOG /dropped?lines="
	for resumed := time.Now(); !strings.Contains(s.Log.String(), note); time.Sleep(10 * time.Millisecond) {
		if time.Since(resumed) > noteLimit {
			broken(true, "%v after the log is read again it says nothing of the lines that were dropped", noteLimit)
			break
		}
	}
	return nil
}

// programLines are those lines of a log that are not of requests.
func programLines(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, " INFO ") || strings.Contains(line, " WARN ") || strings.Contains(line, " ERROR ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

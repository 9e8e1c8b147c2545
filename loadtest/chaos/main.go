//go:build linux

// Command chaos lets a real Redis fail in the ways that one can, under the web mix,
// and holds every answer of a real rest-sessions against a model of what was
// acknowledged. It prints a line a fault and exits with 1 if a limit is broken, with
// 2 if it could not run.
//
//	chaos -server PATH [-short] [-only NAME]...
//
// scripts/chaos builds what it needs.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// timeout is the server's RS_TIMEOUT: the default.
const timeout = time.Second

// environ is the server's. What is measured is the wait for Redis: none is to be shed.
var environ = []string{"RS_TIMEOUT=" + timeout.String(), "RS_MAX_INFLIGHT=1000000"}

// form is how long things take.
type form struct {
	calm     time.Duration // of load before a fault
	hold     time.Duration // how long a fault stays
	silence  time.Duration // how long one stays at which Redis is silent: longer than timeout
	after    time.Duration // of load after it
	sessions int
	workers  int
	crowd    int           // clients that wait at once
	settle   time.Duration // for the memory that the crowd took to be given back
}

var (
	longForm = form{
		calm: 2 * time.Second, hold: 6 * time.Second, silence: 6 * time.Second, after: 4 * time.Second,
		sessions: 2000, workers: 32, crowd: 10_000, settle: 90 * time.Second,
	}
	shortForm = form{
		calm: 300 * time.Millisecond, hold: 700 * time.Millisecond, silence: timeout + 700*time.Millisecond, after: 1100 * time.Millisecond,
		sessions: 300, workers: 32, crowd: 10_000,
	}
)

func main() { os.Exit(run()) }

func run() int {
	server := flag.String("server", "", "the rest-sessions to try")
	short := flag.Bool("short", false, "a few seconds a fault")
	var names []string
	flag.Func("only", "`name` of a fault to try, again for more; all when left out", func(name string) error {
		names = append(names, name)
		return nil
	})
	flag.Parse()
	if *server == "" || flag.NArg() > 0 {
		flag.Usage()
		return 2
	}
	f := longForm
	if *short {
		f = shortForm
	}
	known := []string{crowdName}
	for _, fault := range faults {
		known = append(known, fault.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			fmt.Fprintf(os.Stderr, "chaos: there is no fault %q, but:\n%s\n", name, strings.Join(known, "\n"))
			return 2
		}
	}
	chosen := func(name string) bool { return names == nil || slices.Contains(names, name) }

	began := time.Now()
	fmt.Printf("RS_TIMEOUT=%v, %d clients, %d sessions; a limit on time is longer by what the slowest /livez took meanwhile, and by how long the machine stood still.\n\n",
		timeout, f.workers, f.sessions)
	fmt.Println(header)
	broken := 0
	var proofs []string
	for _, fault := range faults {
		if !chosen(fault.name) {
			continue
		}
		r, err := fault.try(&f, *server)
		if err != nil {
			fmt.Fprintf(os.Stderr, "chaos: %s: %v\n", fault.name, err)
			return 2
		}
		fmt.Println(r.line())
		if r.proof != "" {
			proofs = append(proofs, fault.name+": "+r.proof)
		}
		for _, problem := range r.problems {
			fmt.Fprintf(os.Stderr, "%s: %s\n", fault.name, problem)
			broken++
		}
	}
	if proofs != nil {
		fmt.Println("\n" + strings.Join(proofs, "\n"))
	}
	if chosen(crowdName) {
		problems, err := tryCrowd(&f, *server)
		if err != nil {
			fmt.Fprintf(os.Stderr, "chaos: %s: %v\n", crowdName, err)
			return 2
		}
		for _, problem := range problems {
			fmt.Fprintf(os.Stderr, "%s: %s\n", crowdName, problem)
			broken++
		}
	}
	fmt.Printf("\n%d limits broken, %v\n", broken, time.Since(began).Round(time.Second))
	if broken > 0 {
		return 1
	}
	return 0
}

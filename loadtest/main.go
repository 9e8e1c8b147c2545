// Command loadtest puts fixed rates of requests on servers that speak the API of
// rest-sessions, reads every answer, and reports latencies, throughput and what
// was wrong.
//
//	loadtest [flags] [NAME=]URL[,check=off]...
//
// It exits with 1 if a threshold is broken, with 2 if it could not run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"rest-sessions/loadtest/load"
	"rest-sessions/loadtest/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

var errThreshold = errors.New("a threshold is broken")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	err = measure(ctx, o, stdout, stderr)
	switch {
	case errors.Is(err, errThreshold):
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "loadtest:", err)
		return 2
	}
	return 0
}

func measure(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	// Found out now and not after minutes of load.
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	started := time.Now()
	o.load.Log = func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	servers, err := load.Run(ctx, &o.load)
	if err != nil {
		return err
	}
	machine := fmt.Sprintf("%d CPUs, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	summary := report.New(&o.load, servers, started, machine, o.limits)
	if err := save(summary, o.out); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	summary.Table(stdout)
	fmt.Fprintln(stdout, "\n"+filepath.Join(o.out, "report.html")+", report.svg, summary.json")
	if len(summary.Thresholds.Broken) > 0 {
		return errThreshold
	}
	return nil
}

// save writes the three forms of the report.
func save(s *report.Summary, dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "summary.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "report.svg"), []byte(s.SVG()), 0o644); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	return errors.Join(s.HTML(file), file.Close())
}

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// buildProgram builds the server and returns its path.
func buildProgram(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "rest-sessions")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "rest-sessions").CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return path
}

var listensOn = regexp.MustCompile(`listens on http://([^ ,]+)`)

// startProgram starts a built server on a Redis of its own, with n sessions, and ends both
// with the benchmark. env are variables of the server, and all that it gets of those named RS_.
func startProgram(tb testing.TB, path string, n int, env ...string) *site {
	tb.Helper()
	server := redistest.Start(tb)
	cmd := exec.Command(path)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "RS_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none",
		"RS_TIMEOUT=5s", "RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(server.Port()))
	cmd.Env = append(cmd.Env, env...)
	p, err := redistest.StartProcess(cmd)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := listensOn.FindStringSubmatch(p.Log.String()); m != nil {
			running := process{addr: m[1], pid: p.Pid()}
			return &site{running, server, seedServer(tb, running.addr, n)}
		}
		select {
		case <-p.Done:
			tb.Fatalf("%s %s ended: %s", path, strings.Join(env, " "), p.Log.String())
		default:
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s does not say where it listens: %s", path, p.Log.String())
		}
	}
}

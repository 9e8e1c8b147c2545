// Package e2e tests the built program, and the manual against it. The console has tests of
// its own, in a browser: e2e/console.
package e2e

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the server, built once for all tests.
var program string

// version is what the server says of itself.
var version string

// TestMain builds the server, for the race detector if the tests are, and runs them in the
// top directory.
func TestMain(m *testing.M) {
	flag.Parse()
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	if err := os.Chdir(".."); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "rest-sessions-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs it, too
		return 0, err
	}
	program = filepath.Join(dir, "rest-sessions")
	if err := build(program); err != nil {
		return 0, err
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return 0, err
	}
	version = strings.TrimSpace(strings.TrimPrefix(string(out), "rest-sessions "))
	return m.Run(), nil
}

// build builds the server, without Go's stamp of the commit.
func build(program string, args ...string) error {
	args = append([]string{"build", "-buildvcs=false", "-o", program}, args...)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

// patience bounds what a test waits for.
const patience = time.Minute

// process is a running server.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended

	mu     sync.Mutex
	stdout bytes.Buffer
	stderr bytes.Buffer
}

var listening = regexp.MustCompile(`listens on (http\S+),`)

// command prepares a run of the server with nothing of this machine's RS_ in it.
func command(t *testing.T, args []string, environ ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "RS_") && !strings.HasPrefix(line, "REDIS_URL=") {
			p.cmd.Env = append(p.cmd.Env, line)
		}
	}
	p.cmd.Env = append(p.cmd.Env, environ...)
	return p
}

// longTimeout is a time-out that a loaded machine does not need.
const longTimeout = "RS_TIMEOUT=20s"

// start starts a server on a free port and waits until it listens.
func start(t *testing.T, environ ...string) *process {
	t.Helper()
	p := command(t, nil, append([]string{"RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none", longTimeout}, environ...)...)
	p.launch()
	return p
}

// startReady is start of a server with Redis, which it waits for.
func startReady(t *testing.T, environ ...string) *process {
	t.Helper()
	p := start(t, environ...)
	p.awaitReady()
	return p
}

// awaitReady waits until the server has reached its store.
func (p *process) awaitReady() {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		status, body := p.do("GET", "/readyz")
		if status == 200 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("/readyz answers %d %s:\n%s", status, body, p.log())
		}
	}
}

// launch starts what command has prepared, and waits until it listens.
func (p *process) launch() {
	t := p.t
	t.Helper()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.stdout.Write(b)
	})
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.mu.Lock()
			fmt.Fprintln(&p.stderr, lines.Text())
			p.mu.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	select {
	case p.url = <-found:
	case <-p.done:
		t.Fatalf("the server ended:\n%s", p.log())
	case <-time.After(patience):
		t.Fatalf("the server does not listen:\n%s", p.log())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// do sends a request and returns status and body; 0 if there was no answer.
func (p *process) do(method, path string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (p *process) expect(method, path string, status int, body string) {
	p.t.Helper()
	if s, b := p.do(method, path); s != status || body != "" && b != body {
		p.t.Errorf("%s %s answered %d %s, not %d %s", method, path, s, b, status, body)
	}
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("the server does not end:\n%s", p.log())
		return 0
	}
}

// begin starts a command, which ends with the test at the latest.
func (p *process) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
}

// run runs a command that ends by itself.
func (p *process) run() (code int, stdout, stderr string) {
	p.t.Helper()
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.begin()
	return p.wait(), p.stdout.String(), p.stderr.String()
}

// run1 runs the server with arguments with which it ends by itself.
func run1(t *testing.T, args []string, environ ...string) (code int, stdout, stderr string) {
	t.Helper()
	return command(t, args, environ...).run()
}

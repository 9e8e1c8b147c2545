package console

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// program is the built server.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "console")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer func() {
		for _, end := range ended {
			end()
		}
	}()
	program = filepath.Join(dir, "rest-sessions")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
		return 1
	}
	return m.Run()
}

// site is a server, and the Redis that it has.
type site struct {
	t       *testing.T
	origin  string
	redis   *redistest.Server
	environ []string
	process *redistest.Process // of the server
}

// startSite starts both, the server with these variables too.
func startSite(t *testing.T, environ ...string) *site {
	t.Helper()
	redis := redistest.Start(t)
	port, err := redistest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, origin: fmt.Sprintf("http://127.0.0.1:%d", port), redis: redis, environ: append([]string{
		"RS_HOST=127.0.0.1", fmt.Sprintf("RS_PORT=%d", port), "RS_REDISHOST=127.0.0.1", fmt.Sprintf("RS_REDISPORT=%d", redis.Port()), "RS_LOGLEVEL=none", "RS_TIMEOUT=2s",
	}, environ...)}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start starts the server and waits until it is ready.
func (s *site) start() {
	s.t.Helper()
	cmd := exec.Command(program)
	cmd.Env = s.environ
	var err error
	if s.process, err = redistest.StartProcess(cmd); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(s.origin + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == 200 {
				return
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("the server is not ready: %v", err)
		}
	}
}

// stop kills the server.
func (s *site) stop() { s.process.Kill() }

// hangup has the server read its keys again.
func (s *site) hangup() { s.process.Signal(syscall.SIGHUP) }

// write writes a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// between is what stands in a text after one and before another.
func between(t *testing.T, text, after, before string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, after)
	found2 := false
	if rest, _, found2 = strings.Cut(rest, before); !found || !found2 {
		t.Fatalf("%s is not of the form …%s…%s…", text, after, before)
	}
	return rest
}

// ask sends a request with a key, "" for none, and returns the answer, which must be 200.
func (s *site) ask(method, path, key, body string) string {
	s.t.Helper()
	request, err := http.NewRequest(method, s.origin+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, text, err)
	}
	return string(text)
}

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rest-sessions/internal/config"
	"rest-sessions/internal/redistest"
)

func TestHelpAndVersion(t *testing.T) {
	code, out, _ := run1(t, []string{"--version"})
	if code != 0 || out != "rest-sessions "+version+"\n" {
		t.Errorf("--version: %d %q", code, out)
	}
	code, out, _ = run1(t, []string{"--help"})
	if code != 0 {
		t.Errorf("--help: %d", code)
	}
	for _, name := range config.Names() {
		if !strings.Contains(out, name) {
			t.Errorf("--help lacks %s", name)
		}
	}
	for _, c := range []struct{ arguments, want string }{
		{"--hlep", `unknown argument "--hlep": the server is configured by environment variables; see --help`},
		{"--port=80", `unknown argument "--port=80": set the environment variable RS_PORT; see --help`},
		{"-max-data", `unknown argument "-max-data": set the environment variable RS_MAX_DATA; see --help`},
		{"confg", `unknown argument "confg"; the nearest is config; see --help`},
		{"serv --port", `unknown argument "serv"; the nearest is serve; see --help`},
		{"foo", `unknown argument "foo"; see --help`},
		{"serve --port", `unknown argument "--port" behind serve; see --help`},
		{"config all", `unknown argument "all" behind config; see --help`},
	} {
		if code, out, stderr := run1(t, strings.Fields(c.arguments)); code != 2 || out != "" || !strings.HasSuffix(stderr, c.want+"\n") {
			t.Errorf("%s: %d %q, not %q", c.arguments, code, stderr, c.want)
		}
	}
	if code, out, _ := run1(t, []string{"healthcheck", "--help"}); code != 0 || !strings.Contains(out, "RS_PORT") {
		t.Errorf("healthcheck --help: %d %q", code, out)
	}
	if code, _, stderr := run1(t, []string{"healthcheck"}, "RS_HOST=127.0.0.1", "RS_PORT=1"); code != 1 || !strings.Contains(stderr, "no server listens there") {
		t.Errorf("healthcheck of none: %d %q", code, stderr)
	}
}

func TestHealthcheck(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	port := p.url[strings.LastIndexByte(p.url, ':')+1:]
	if code, _, stderr := run1(t, []string{"healthcheck"}, "RS_HOST=127.0.0.1", "RS_PORT="+port); code != 0 || stderr != "" {
		t.Errorf("of a healthy server: %d %s", code, stderr)
	}
	p.cmd.Process.Kill()
	p.wait()
	if code, _, stderr := run1(t, []string{"healthcheck"}, "RS_HOST=127.0.0.1", "RS_PORT="+port); code != 1 ||
		!strings.HasSuffix(stderr, " ERROR unhealthy: dial tcp 127.0.0.1:"+port+": connect: connection refused: no server listens there; is it running? The healthcheck needs the RS_HOST and RS_PORT of the server\n") {
		t.Errorf("of none: %d %s", code, stderr)
	}
}

// TestMigrate runs the subcommand, with Ctrl-C in the middle.
func TestMigrate(t *testing.T) {
	source, target := redistest.Start(t), redistest.Start(t, "--requirepass", "hidden")
	server := startReady(t, "RS_REDIS_URL=redis://"+source.Addr())
	for i := range 600 {
		server.expect("PUT", fmt.Sprintf("/shop/create/user%d?ip=::1", i), 200, "")
	}
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte("redis://:hidden@"+target.Addr()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"migrate", "--from", "redis://" + source.Addr(), "--to", "@" + url, "--to-namespace", "other"}
	p := command(t, append(args, "--rate", "100"))
	var stderr, stdout bytes.Buffer
	p.cmd.Stderr, p.cmd.Stdout = &stderr, writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("namespace other")) { // it has begun
			p.cmd.Process.Signal(os.Interrupt)
		}
		return stdout.Write(b)
	})
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	if code := p.wait(); code != 1 || !strings.Contains(stderr.String(), "interrupted; the same command goes on") {
		t.Errorf("interrupted: %d %s", code, stderr.String())
	}
	code, out, log := run1(t, append(args, "--last"))
	if code != 0 || !strings.Contains(out, "600 live in the source, 600 copies live in the target") || strings.Contains(out+log, "hidden") {
		t.Errorf("the last run: %d\n%s%s", code, out, log)
	}
	if code, _, log := run1(t, args); code != 2 || !strings.Contains(log, "was completed on") {
		t.Errorf("a run after that: %d %s", code, log)
	}
	if code, _, log := run1(t, args[:3]); code != 2 || !strings.Contains(log, "ERROR migrate: --to is missing") {
		t.Errorf("without a target: %d %s", code, log)
	}
	if code, out, _ := run1(t, []string{"migrate", "--help"}); code != 0 || !strings.Contains(out, "-dry-run") {
		t.Errorf("--help: %d %s", code, out)
	}
	gone := redistest.Start(t)
	gone.Stop()
	if code, _, log := run1(t, []string{"migrate", "--from", "redis://" + source.Addr(), "--to", "redis://" + gone.Addr(), "--dry-run"}); code != 1 || !strings.Contains(log, "ERROR migrate: ") || !strings.Contains(log, "goes on") {
		t.Errorf("without a Redis there: %d %s", code, log)
	}
}

// TestCommit has --version name what was built.
func TestCommit(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the server")
	}
	binary := filepath.Join(t.TempDir(), "server")
	if err := build(binary, "-ldflags", "-X main.commit=abc123"); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "--version").Output()
	if err != nil || string(out) != "rest-sessions "+version+" (commit abc123)\n" {
		t.Errorf("%v: %q", err, out)
	}
}

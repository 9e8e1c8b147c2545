package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/loadtest/report"
)

var listening = regexp.MustCompile(`listens on (http://[^\s,]+)`)

// start builds the command in dir, starts it and returns the URL it listens on.
func start(t *testing.T, dir string, environ ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := exec.Command(binary)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "RS_") {
			server.Env = append(server.Env, line)
		}
	}
	server.Env = append(server.Env, environ...)
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	url := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
		server.Wait()
	}()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			server.Process.Kill()
			<-ended
		}
	})
	select {
	case found := <-url:
		return found
	case <-time.After(time.Minute):
		t.Fatal("the server does not listen")
		return ""
	}
}

func TestEndToEnd(t *testing.T) {
	ours := start(t, "..", "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_STORE=embedded", "RS_LOGLEVEL=none")
	hello := start(t, "hello")
	out := filepath.Join(t.TempDir(), "new", "out")
	args := []string{"-rates", "200,400", "-duration", "1s", "-warmup", "100ms", "-sessions", "300", "-out", out,
		"hello=" + hello + ",check=off", "ours=" + ours}

	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	var s report.Summary
	text, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Servers) != 2 || len(s.Servers[1].Steps) != 2 || s.Servers[1].Prefill.Requests != 300 {
		t.Fatalf("%+v", s)
	}
	for _, server := range s.Servers {
		if failed, _ := server.Failed(); failed != 0 {
			t.Errorf("%s: %v", server.Name, server.Examples())
		}
		for _, step := range server.Steps {
			if step.P50 <= 0 || step.P99 < step.P50 || step.Max < step.P999 || len(step.Curve) < 10 || step.Kinds["get"].Timed == 0 {
				t.Errorf("%s: %+v", server.Name, step)
			}
		}
	}
	for _, name := range []string{"report.html", "report.svg"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(stdout.String(), "ratios to hello") {
		t.Error(stdout.String())
	}

	// A threshold that nothing can hold.
	if code := run(t.Context(), append([]string{"-max-p99", "1ns"}, args...), &stdout, &stderr); code != 1 {
		t.Errorf("exit code %d of a broken threshold", code)
	}
	// A server that answers, but not as it must: the yardstick, with its answers read.
	if code := run(t.Context(), append(args[:len(args)-2:len(args)-2], hello), &stdout, &stderr); code != 2 {
		t.Errorf("exit code %d of a server that makes no session", code)
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-rates", "10, 20", "-choice=uniform", "-mix", "get=1", "a=http://h:1", "http://h:2"}, os.Stderr)
	if err != nil || len(o.load.Rates) != 2 || o.load.Zipf || len(o.load.Targets) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"", "-rates=0 http://h", "-rates= http://h", "-choice=x http://h", "-duration=0s http://h", "-sessions=0 http://h",
		"http://h http://h", "-mix=x=1 http://h", "-rounds=0 http://h", "nonsense", "-x"} {
		var stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(bad), &stderr, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, %s", bad, code, stderr.String())
		}
	}
}

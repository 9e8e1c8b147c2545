//go:build unix

package e2e

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// startRead starts a server whose output and errors are pipes that only the test
// reads, up to the line that says where it listens.
func startRead(t *testing.T, environ ...string) (p *process, stdout, stderr *os.File) {
	t.Helper()
	p = command(t, nil, append([]string{"RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=combined", longTimeout}, environ...)...)
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r, w
	}
	var out, errs *os.File
	stdout, out = pipe()
	stderr, errs = pipe()
	p.cmd.Stdout, p.cmd.Stderr = out, errs
	p.begin()
	out.Close()
	errs.Close()
	stderr.SetReadDeadline(time.Now().Add(patience))
	for line := range linesOf(stderr) {
		if m := listening.FindStringSubmatch(line); m != nil {
			p.url = m[1]
			return p, stdout, stderr
		}
	}
	t.Fatal("the server does not say that it listens")
	return nil, nil, nil
}

// linesOf reads a byte at a time, so that it takes nothing behind the line that it
// gave last.
func linesOf(f *os.File) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var line []byte
		var b [1]byte
		for {
			if n, err := f.Read(b[:]); n == 0 || err != nil {
				return
			}
			if b[0] != '\n' {
				line = append(line, b[0])
			} else if !yield(string(line)) {
				return
			} else {
				line = line[:0]
			}
		}
	}
}

// missing are requests for sessions that do not exist.
func (p *process) missing(n int) {
	p.t.Helper()
	for range n {
		p.expect("GET", "/app/get/"+strings.Repeat("M", 64), 200, "{}")
	}
}

// TestLogReaderGone closes both ends that read the logs: the server goes on, counts
// the lines that nobody took, and ends in order.
func TestLogReaderGone(t *testing.T) {
	p, stdout, stderr := startRead(t, "RS_STORE=embedded", "RS_MISS_WARN=1")
	stdout.Close()
	stderr.Close()
	for begun := time.Now(); p.logDropped() == 0; time.Sleep(10 * time.Millisecond) {
		p.missing(3)
		if time.Since(begun) > patience {
			t.Fatal("no line is counted as dropped")
		}
	}
	p.missing(3)
	p.expect("PUT", "/app/create/id?ip=::1", 200, "")
	p.endInTime()
}

// TestLogReaderStalls has nobody read the full pipes of both logs. Requests, warnings
// of misses, reloads and the end do not wait for it.
func TestLogReaderStalls(t *testing.T) {
	p, stdout, stderr := startRead(t, "RS_STORE=embedded", "RS_MISS_WARN=1")
	fill(t, stdout, stderr)
	p.missing(200)
	for range 100 {
		p.cmd.Process.Signal(syscall.SIGHUP)
		p.cmd.Process.Signal(syscall.SIGUSR1)
	}
	p.missing(200)
	p.endInTime()
}

// TestLogStallsRedis has the reader of a full log stall while Redis is gone and back:
// neither the line that says so nor anything else keeps the server from serving.
func TestLogStallsRedis(t *testing.T) {
	redis := redistest.Start(t)
	p, stdout, stderr := startRead(t, "RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(redis.Port()))
	p.awaitReady()
	p.missing(1)
	fill(t, stdout, stderr)
	redis.Stop()
	for down := time.Now(); time.Since(down) < time.Second; {
		p.expect("GET", "/app/get/"+strings.Repeat("M", 64), 503, "")
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	up := time.Now()
	for status := 0; status != 200; status, _ = p.do("GET", "/app/get/"+strings.Repeat("M", 64)) {
		if time.Since(up) > patience {
			t.Fatal("Redis is up and the server does not serve")
		}
	}
	p.endInTime()
}

// fill makes pipes as small as they can be and fills them up, by way of the process'
// own end where the system gives it out.
func fill(t *testing.T, pipes ...*os.File) {
	t.Helper()
	for _, pipe := range pipes {
		w, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(pipe.Fd())), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Skipf("a pipe cannot be filled from outside here: %v", err)
		}
		for {
			if _, err := syscall.Write(int(w.Fd()), []byte("filled\n")); err != nil {
				break
			}
		}
		w.Close()
	}
}

// endInTime ends the server by SIGTERM and wants the exit code 0.
func (p *process) endInTime() {
	p.t.Helper()
	begun := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("SIGTERM does not end the server")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("exit code %d: %v", code, p.cmd.ProcessState)
	}
	// 2 s of grace, and some for what is in flight, and for a machine that stands still.
	if took := time.Since(begun); took > 15*time.Second {
		p.t.Errorf("the end took %v", took)
	}
}

// logDropped is rest_sessions_log_dropped_total.
func (p *process) logDropped() int {
	p.t.Helper()
	_, text := p.do("GET", "/metrics")
	_, text, _ = strings.Cut(text, "\nrest_sessions_log_dropped_total ")
	text, _, _ = strings.Cut(text, "\n")
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Errorf("the metrics have no count of dropped lines: %v", err)
	}
	return n
}

// TestJSONLogs reads every line of both logs as JSON.
func TestJSONLogs(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL=json", "RS_MISS_WARN=1")
	p.missing(1)
	p.cmd.Process.Signal(os.Interrupt)
	p.wait()
	for line := range strings.Lines(p.log() + p.output()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["time"] == nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	if !strings.Contains(p.log(), `"level":"WARN","msg":"127.0.0.1 asked for 1 tokens`) {
		t.Errorf("no warning of a miss:\n%s", p.log())
	}
}

// TestNoColours wants none in a log that is no terminal.
func TestNoColours(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL=dev")
	p.missing(1)
	p.cmd.Process.Signal(os.Interrupt)
	p.wait()
	if out := p.output(); !strings.HasPrefix(out, "GET /app/get/MMMMMM... 200 ") || strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
}

// TestBackupSignalWithoutFile: there is nothing to back up, and it says so.
func TestBackupSignalWithoutFile(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	p.cmd.Process.Signal(syscall.SIGUSR1)
	for begun := time.Now(); !strings.Contains(p.log(), "no backup is made, since RS_DATA is not set"); {
		if time.Since(begun) > patience {
			t.Fatalf("the log does not say so:\n%s", p.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.missing(1)
}

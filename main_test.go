package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// runMainEnv makes the test binary be the server.
const runMainEnv = "REST_SESSIONS_TEST_RUN_MAIN"

// userEnv is the number of the user that the server runs as, for tests of root.
const userEnv = "REST_SESSIONS_TEST_USER"

func TestMain(m *testing.M) {
	if os.Getenv(runMainEnv) != "" {
		if uid, err := strconv.Atoi(os.Getenv(userEnv)); err == nil {
			if err := syscall.Setuid(uid); err != nil {
				panic(err)
			}
		}
		main()
		return
	}
	os.Exit(m.Run())
}

// patience bounds what a test waits for.
const patience = 20 * time.Second

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
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = []string{runMainEnv + "=1"}
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "RS_") && !strings.HasPrefix(line, "REDIS_URL=") {
			p.cmd.Env = append(p.cmd.Env, line)
		}
	}
	p.cmd.Env = append(p.cmd.Env, environ...)
	return p
}

// start starts a server on a free port and waits until it listens.
func start(t *testing.T, environ ...string) *process {
	t.Helper()
	p := command(t, nil, append([]string{"RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none"}, environ...)...)
	p.launch()
	return p
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

// run1 runs a command that ends by itself.
func run1(t *testing.T, args []string, environ ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := command(t, args, environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.begin()
	return p.wait(), p.stdout.String(), p.stderr.String()
}

func TestHelpAndVersion(t *testing.T) {
	code, out, _ := run1(t, []string{"--version"})
	if code != 0 || out != "rest-sessions "+version+"\n" {
		t.Errorf("--version: %d %q", code, out)
	}
	code, out, _ = run1(t, []string{"--help"})
	if code != 0 {
		t.Errorf("--help: %d", code)
	}
	text := strings.Join(strings.Fields(out), " ") // the help is wrapped
	for _, v := range variables() {
		if v.help == "" || !strings.Contains(out, v.name) || !strings.Contains(text, v.help) {
			t.Errorf("--help lacks %s", v.name)
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

// TestBadConfiguration gives everything wrong at once and wants to hear of all.
func TestBadConfiguration(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	code, _, stderr := run1(t, nil, "RS_PORT=http", "RS_REDISPORT=0", "RS_NAMESPACE=a:b", "RS_LOGLEVEL=loud",
		"RS_STORE=mysql", "RS_WIPE=5", "RS_TIMEOUT=1", "RS_BUCKETS=48", "RS_MAX_LISTS=0", "RS_MAX_DATA=1000", "RS_CONSOLE=off", "RS_REDIS_PASSWORD_FILE="+secret,
		"RS_REDIS_URL=redis://:opensesame@h/1?db=2", "RS_REDIS_CA_FILE=/ca", "RS_REDIS_CERT=/none", "RS_HOST=unix:x", "RS_TLS_KEY=/key")
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, want := range []string{
		`RS_PORT is "http"; it must be a whole number`, `RS_REDISPORT is "0"; it must be a port`, `RS_REDIS_URL and RS_REDISPORT are both set; only one can be`, `RS_NAMESPACE is "a:b"`,
		`RS_LOGLEVEL is "loud"; it must be one of combined, common, dev, json, short, tiny, none`, `RS_STORE is "mysql"`,
		`RS_WIPE is "5"`, `RS_TIMEOUT is "1"; it must be a duration`, `RS_BUCKETS is "48"; it must be a power of two`, `RS_MAX_LISTS is "0"; it must be a number, 1 to 1000000`, `RS_MAX_DATA is "1000"; it must be a number of bytes, 1024 to 1048576`, `RS_CONSOLE is "off"; it must be true or false`, `RS_REDIS_PASSWORD_FILE: `,
		`the URL names two databases`, `RS_REDIS_CA_FILE is set, but RS_REDIS_CA is itself the name of a file: set RS_REDIS_CA`, `RS_REDIS_CERT is set and RS_REDIS_KEY is not`,
		`RS_HOST is "unix:x": what follows unix: must be an absolute path`, `RS_TLS_KEY is set and RS_TLS_CERT is not`,
	} {
		n := 0
		for _, line := range lines {
			if strings.Contains(line, want) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d lines say %q in:\n%s", n, want, stderr)
		}
	}
	if len(lines) != 18 || strings.Contains(stderr, "opensesame") {
		t.Errorf("%d lines, not one for each of 18 problems:\n%s", len(lines), stderr)
	}
}

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	code, _, stderr := run1(t, nil, "RS_HOST=127.0.0.1", "RS_PORT="+port, "RS_STORE=embedded")
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "RS_PORT is "+port+", and another program listens on 127.0.0.1:"+port+" already: end that, or set another RS_PORT") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestAuto starts with nothing configured. It adapts to whether a Redis runs on
// this machine.
func TestAuto(t *testing.T) {
	want := "in this process' memory, since no Redis answers at 127.0.0.1:6379"
	if conn, err := net.Dial("tcp", "127.0.0.1:6379"); err == nil {
		conn.Close()
		want = "sessions in Redis at 127.0.0.1:6379"
	}
	p := start(t)
	if log := p.log(); !strings.Contains(log, want) || !strings.Contains(log, "rest-sessions "+version) {
		t.Errorf("the log should say %q, and the version:\n%s", want, log)
	}
	p.expect("GET", "/ping", 200, "PONG")
}

func TestEmbeddedNeedsItsWiper(t *testing.T) {
	code, _, stderr := run1(t, nil, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_STORE=embedded", "RS_WIPE=0")
	if code != 2 || !strings.Contains(stderr, "RS_WIPE") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestDeadRedis starts on an address where no Redis is, and brings one up.
func TestDeadRedis(t *testing.T) {
	redis := redistest.Start(t)
	redis.Stop()
	p := start(t, "RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(redis.Port()))
	token := strings.Repeat("A", 64)
	for _, r := range [][2]string{
		{"PUT", "/app/create/id?ip=::1"}, {"GET", "/app/get/" + token}, {"POST", "/app/rotate/" + token}, {"GET", "/app/activity?dt=60"}, {"GET", "/app/soapp?dt=60"},
		{"GET", "/app/soid/id"}, {"DELETE", "/app/kill/" + token}, {"DELETE", "/app/killsoid/id"}, {"DELETE", "/app/killall"},
		{"GET", "/ping"}, {"GET", "/readyz"}, {"GET", "/healthz"},
	} {
		if status, body := p.do(r[0], r[1]); status != 503 || !strings.Contains(body, `"storeUnavailable"`) {
			t.Errorf("%s %s answered %d %s", r[0], r[1], status, body)
		}
	}
	p.expect("GET", "/livez", 200, "ok")
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	up := time.Now()
	for status := 0; status != 200; status, _ = p.do("GET", "/app/get/"+token) {
		if time.Since(up) > patience {
			t.Fatal("Redis is up and the server does not serve")
		}
	}
	t.Logf("served %v after Redis came up", time.Since(up))
	p.expect("GET", "/readyz", 200, "ok")
	if !strings.Contains(p.log(), "cannot be used") || !strings.Contains(p.log(), "can be used") {
		t.Errorf("the log says nothing of it:\n%s", p.log())
	}
}

// TestTerminate ends a server while a request is on its way.
func TestTerminate(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PUT /app/create/id?ip=::1 HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\"")
	p.expect("GET", "/readyz", 200, "ok")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		if status, _ := p.do("GET", "/readyz"); status == 503 {
			break
		} else if status != 200 || time.Now().After(deadline) {
			t.Fatalf("readyz answers %d in the grace", status)
		}
	}
	p.expect("GET", "/app/activity?dt=60", 200, `{"activity":0}`)
	io.WriteString(conn, ":1}")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request on its way got no answer: %v", err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
		t.Errorf("the request on its way got %d %s", resp.StatusCode, body)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
	}
	if status, _ := p.do("GET", "/livez"); status != 0 {
		t.Errorf("the ended server answers %d", status)
	}
}

func TestInterrupt(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
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

// TestOriginalNamespace warns who moves over from the original's own default.
func TestOriginalNamespace(t *testing.T) {
	redis := redistest.Start(t)
	redis.Do(t, "ZADD", "rs:SESSIONS", "1", "app:token:id")
	port := "RS_REDISPORT=" + strconv.Itoa(redis.Port())
	const warning = "RS_NAMESPACE=rs"
	if log := start(t, port).log(); !strings.Contains(log, warning) {
		t.Errorf("no warning:\n%s", log)
	}
	if log := start(t, port, "RS_NAMESPACE=drs").log(); strings.Contains(log, warning) {
		t.Errorf("a warning although the namespace was said:\n%s", log)
	}
	redis.Do(t, "ZADD", "drs:SESSIONS", "1", "app:token:id")
	if log := start(t, port).log(); strings.Contains(log, warning) {
		t.Errorf("a warning although drs is in use:\n%s", log)
	}
}

// TestAccessLog ends with the log written.
func TestAccessLog(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL=tiny")
	token := "abcdef" + strings.Repeat("Z", 58)
	p.do("GET", "/app/get/"+token)
	p.do("GET", "/ping")
	p.cmd.Process.Signal(os.Interrupt)
	p.wait()
	if out := p.output(); !strings.HasPrefix(out, "GET /app/get/abcdef... 200 2 - ") || strings.Count(out, "\n") != 1 {
		t.Errorf("the log is %q", out)
	}
}

// TestMigrate runs the subcommand, with Ctrl-C in the middle.
func TestMigrate(t *testing.T) {
	source, target := redistest.Start(t), redistest.Start(t, "--requirepass", "hidden")
	server := start(t, "RS_REDIS_URL=redis://"+source.Addr())
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

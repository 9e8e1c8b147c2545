package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

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

// TestOriginalNamespace warns who moves over from the original's own default.
func TestOriginalNamespace(t *testing.T) {
	redis := redistest.Start(t)
	redis.Do(t, "ZADD", "rs:SESSIONS", "1", "app:token:id")
	port := "RS_REDISPORT=" + strconv.Itoa(redis.Port())
	const warning = "RS_NAMESPACE=rs"
	start(t, port).awaitLog(warning, 1)
	if log := start(t, port, "RS_NAMESPACE=drs").log(); strings.Contains(log, warning) {
		t.Errorf("a warning although the namespace was said:\n%s", log)
	}
	redis.Do(t, "ZADD", "drs:SESSIONS", "1", "app:token:id")
	if log := start(t, port).log(); strings.Contains(log, warning) {
		t.Errorf("a warning although drs is in use:\n%s", log)
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

// TestCannotListen starts servers where they may not, or cannot, listen.
func TestCannotListen(t *testing.T) {
	socket := start(t, "RS_STORE=embedded", "RS_HOST=unix:"+filepath.Join(t.TempDir(), "http"))
	taken := strings.TrimPrefix(socket.url, "http+unix:")
	tcp := start(t, "RS_STORE=embedded")
	port := tcp.url[strings.LastIndexByte(tcp.url, ':')+1:]
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	user := os.Geteuid()
	if user == 0 {
		user = 65534
	}
	low := "RS_PORT is 1, and user " + strconv.Itoa(user) + " may not listen on 127.0.0.1:1: set an RS_PORT of 1024 or more ("
	first, _ := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, _ := strconv.Atoi(strings.TrimSpace(string(first))); n <= 1 {
		low = "" // any user may, as in a container, or nobody knows
	}
	for _, c := range []struct {
		environ []string
		other   bool   // as another user, if this is root
		want    string // "" for a row that this system does not have
	}{
		{[]string{"RS_HOST=127.0.0.1", "RS_PORT=" + port}, false, "RS_PORT is " + port + ", and another program listens on 127.0.0.1:" + port + " already: end that, or set another RS_PORT ("},
		{[]string{"RS_PORT=" + port}, false, "RS_PORT is " + port + ", and another program listens on :" + port + " already: end that, or set another RS_PORT ("},
		{[]string{"RS_HOST=127.0.0.1", "RS_PORT=1"}, true, low},
		{[]string{"RS_HOST=unix:/none/of/it/http"}, false, "RS_HOST is unix:/none/of/it/http, and there is no directory /none/of/it: make it, or set another path ("},
		{[]string{"RS_HOST=unix:" + closed + "/http"}, true,
			"RS_HOST is unix:" + closed + "/http, and user " + strconv.Itoa(user) + " may not make a socket in " + closed + ": let it write there, or set another path ("},
		{[]string{"RS_HOST=unix:" + taken}, false, "RS_HOST is unix:" + taken + ": cannot listen: another server already listens on " + taken + ""},
		{[]string{"RS_HOST=192.0.2.1"}, false, `RS_HOST is "192.0.2.1", and this machine has no such address: set it to one that it has, or leave it out for all (`},
	} {
		if c.want == "" {
			continue
		}
		p := command(t, nil, append(c.environ, "RS_STORE=embedded")...)
		if c.other && os.Geteuid() == 0 {
			p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
		}
		code, _, stderr := p.run()
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit code %d: %s\nnot %s", c.environ, code, stderr, c.want)
		}
	}
}

// TestRedisURL starts with the variable that other programs read.
func TestRedisURL(t *testing.T) {
	const other, hint = "REDIS_URL=redis://:opensesame@127.0.0.1:1", "REDIS_URL is not read; set RS_REDIS_URL"
	for _, c := range []struct {
		environ []string
		hints   int
	}{
		{[]string{other}, 1},
		{[]string{other, "RS_REDIS_SERVICE_HOST=10.0.0.1"}, 1},
		{[]string{other, "RS_REDIS_URL=redis://127.0.0.1:1"}, 0},
		{[]string{other, "RS_STORE=embedded"}, 0},
		{[]string{other, "RS_DATA=" + t.TempDir()}, 0},
		{nil, 0},
	} {
		if log := start(t, c.environ...).log(); strings.Count(log, hint) != c.hints || strings.Contains(log, "opensesame") {
			t.Errorf("%v: the log says\n%s", c.environ, log)
		}
	}
}

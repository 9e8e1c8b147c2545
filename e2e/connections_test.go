package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/internal/testcert"
)

// TestSocket serves on a Unix socket, also after a server that was killed there.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	host := "RS_HOST=unix:" + path
	ask := func(route string) (int, string) {
		client := &http.Client{Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) },
			DisableKeepAlives: true,
		}}
		resp, err := client.Get("http://localhost" + route)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for _, format := range []string{"short", "json"} {
		p := start(t, host, "RS_STORE=embedded", "RS_LOGLEVEL="+format)
		if p.url != "http+unix:"+path {
			t.Errorf("it listens on %s", p.url)
		}
		if status, body := ask("/app/activity?dt=60"); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		if status, body := ask("/metrics"); status != 200 || !strings.Contains(body, "/activity") {
			t.Errorf("metrics: %d %s", status, body)
		}
		if code, _, stderr := run1(t, []string{"healthcheck"}, host); code != 0 {
			t.Errorf("healthcheck: %d %s", code, stderr)
		}
		if code, _, stderr := run1(t, nil, host, "RS_STORE=embedded"); code != 1 || !strings.Contains(stderr, "another server already listens on "+path) {
			t.Errorf("a second server: %d %s", code, stderr)
		}
		if format == "json" { // the last
			p.cmd.Process.Signal(os.Interrupt)
			p.wait()
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("it left its socket: %v", err)
			}
			if out := p.output(); !strings.Contains(out, `"remote":"-"`) {
				t.Errorf("the log is %q", out)
			}
			continue
		}
		for deadline := time.Now().Add(patience); !strings.HasPrefix(p.output(), "- - GET /app/activity"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the log is %q", p.output())
			}
		}
		p.cmd.Process.Kill()
		p.wait()
		if code, _, _ := run1(t, []string{"healthcheck"}, host); code != 1 {
			t.Errorf("healthcheck without a server: %d", code)
		}
	}
}

// TestTLS serves https and takes up a new certificate on SIGHUP.
func TestTLS(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("first", "first.test")
	p := start(t, "RS_STORE=embedded", "RS_TLS_CERT="+cert, "RS_TLS_KEY="+key)
	addr, ok := strings.CutPrefix(p.url, "https://")
	if !ok {
		t.Fatalf("it listens on %s", p.url)
	}
	ask := func(name string) error {
		client := &http.Client{Transport: &http.Transport{
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				return tls.Dial("tcp", addr, &tls.Config{RootCAs: authority.Pool(), ServerName: name})
			},
			DisableKeepAlives: true,
		}}
		resp, err := client.Get("https://" + addr + "/ping")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	hangup := func(says string) {
		t.Helper()
		p.cmd.Process.Signal(syscall.SIGHUP)
		for deadline := time.Now().Add(patience); !strings.Contains(p.log(), says); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q in the log:\n%s", says, p.log())
			}
		}
	}
	if err := ask("first.test"); err != nil {
		t.Error(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	if code, _, stderr := run1(t, []string{"healthcheck"}, "RS_HOST=127.0.0.1", "RS_PORT="+port, "RS_TLS_CERT="+cert, "RS_TLS_KEY="+key); code != 0 {
		t.Errorf("healthcheck: %d %s", code, stderr)
	}
	plain, err := http.Get("http://" + addr + "/ping")
	if err != nil {
		t.Fatalf("plain HTTP where TLS is spoken: %v", err)
	}
	said, _ := io.ReadAll(plain.Body)
	plain.Body.Close()
	if plain.StatusCode != 400 || !strings.Contains(string(said), "This port speaks TLS: use https") {
		t.Errorf("plain HTTP where TLS is spoken: %s %s", plain.Status, said)
	}
	// A large request is read to its end, so that its client can read the answer.
	large, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	lateBody(t, large, 50_000, 400, "This port speaks TLS: use https")
	newCert, newKey := authority.Issue("second", "second.test")
	os.Rename(newCert, cert)
	hangup("reload: the certificate has not changed")
	if err := ask("first.test"); err != nil {
		t.Error(err)
	}
	os.Rename(newKey, key)
	hangup("reload: new connections get the new certificate")
	if err := ask("second.test"); err != nil {
		t.Error(err)
	}
}

// TestRedisFromFile reads the URL with its password from a file, and says nothing
// of it.
func TestRedisFromFile(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "opensesame")
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("redis://:opensesame@"+redis.Addr()+"/2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("opensesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, environ := range [][]string{
		{"RS_REDIS_URL_FILE=" + file},
		{"RS_REDIS_PASSWORD_FILE=" + password, "RS_REDIS_USER=default", "RS_REDISPORT=" + strconv.Itoa(redis.Port())},
	} {
		p := startReady(t, environ...)
		p.expect("GET", "/ping", 200, "PONG")
		p.expect("PUT", "/app/create/id?ip=::1", 200, "")
		// It may say that the first attempt took too long, but not that a password is needed.
		if log := p.log(); strings.Contains(log, "opensesame") || !strings.Contains(log, redis.Addr()) || strings.Contains(log, "NOAUTH") || strings.Contains(log, "WRONGPASS") {
			t.Errorf("the log:\n%s", log)
		}
	}
}

// TestRedisOverTLS serves from a Redis that asks for a certificate, and one that is
// reached through a socket.
func TestRedisOverTLS(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("client", "client")
	_, addr := redistest.StartTLS(t, authority, "127.0.0.1")
	socket := filepath.Join(t.TempDir(), "redis")
	redistest.Start(t, "--unixsocket", socket)
	for _, environ := range [][]string{
		{"RS_REDIS_URL=rediss://" + addr, "RS_REDIS_CA=" + authority.CA, "RS_REDIS_CERT=" + cert, "RS_REDIS_KEY=" + key},
		{"RS_REDIS_URL=unix:" + socket},
	} {
		p := startReady(t, environ...)
		p.expect("PUT", "/app/create/id?ip=::1", 200, "")
		p.expect("GET", "/app/activity?dt=60", 200, `{"activity":1}`)
	}
}

// TestIPv6 serves on an IPv6 address, with brackets or without, and asks for its health.
func TestIPv6(t *testing.T) {
	for _, host := range []string{"::1", "[::1]"} {
		p := start(t, "RS_HOST="+host, "RS_STORE=embedded")
		p.expect("GET", "/ping", 200, "PONG")
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(p.url, "http://"))
		if code, _, stderr := run1(t, []string{"healthcheck"}, "RS_HOST="+host, "RS_PORT="+port); code != 0 {
			t.Errorf("healthcheck of %s: %d %s", host, code, stderr)
		}
	}
}

// lateBody sends most of a body of size bytes only when it has the answer, as a client may
// that writes first and reads then, and wants no reset of the connection.
func lateBody(t *testing.T, conn net.Conn, size, status int, says string) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "POST /app/set/%s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\nxxxxx", strings.Repeat("A", 64), size)
	answer := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatalf("a body of %d bytes: %v", size, err)
	}
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(said), says) {
		t.Errorf("a body of %d bytes: %s %s, %v", size, resp.Status, said, err)
	}
	if _, err := answer.Peek(1); err != io.EOF {
		t.Errorf("a body of %d bytes: after the answer: %v", size, err)
	}
	chunk := make([]byte, 1000)
	for sent := 5; sent < size; sent += len(chunk) {
		if _, err := conn.Write(chunk[:min(len(chunk), size-sent)]); err != nil {
			t.Fatalf("a body of %d bytes: after %d: %v", size, sent, err)
		}
	}
}

// TestLargeBodyHearsWhy sends bodies past the limit, which are not read before the answer.
func TestLargeBodyHearsWhy(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("server", "server.test")
	for _, secure := range []bool{false, true} {
		var p *process
		dial := net.Dial
		if secure {
			p = start(t, "RS_STORE=embedded", "RS_TLS_CERT="+cert, "RS_TLS_KEY="+key)
			dial = func(network, addr string) (net.Conn, error) {
				return tls.Dial(network, addr, &tls.Config{RootCAs: authority.Pool(), ServerName: "server.test"})
			}
		} else {
			p = start(t, "RS_STORE=embedded")
		}
		_, addr, _ := strings.Cut(p.url, "://")
		conn, err := dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		lateBody(t, conn, 500_000, 413, "")
	}
}

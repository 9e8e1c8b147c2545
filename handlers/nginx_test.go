package handlers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// nginx starts a real nginx in front of the site, which speaks HTTP/1.0 to it as nginx
// does by default, and returns a client of it.
func (w *site) nginx() *http.Client {
	w.tb.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx") // not in every user's PATH
	}
	if err != nil && os.Getenv(redistest.RequireEnv) != "1" {
		w.tb.Skip("no nginx")
	} else if err != nil {
		w.tb.Fatal(err)
	}
	dir := w.tb.TempDir()
	socket := filepath.Join(dir, "nginx.sock")
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server { listen unix:%[2]s; location / { proxy_pass http://%[3]s; } }
}
`, dir, socket, w.addr)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	var log safeLog
	cmd := exec.Command(path, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = writerFunc(func(b []byte) (int, error) { log.printf("%s", b); return len(b), nil })
	if err := cmd.Start(); err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if w.tb.Failed() {
			w.tb.Logf("nginx: %s", log.String())
		}
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	w.tb.Cleanup(transport.CloseIdleConnections)
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return &http.Client{Transport: transport, Timeout: exchangeTimeout}
		}
		if time.Since(begin) > exchangeTimeout {
			w.tb.Fatalf("nginx does not listen: %v\n%s", err, log.String())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestListsThroughNginx has an nginx that speaks HTTP/1.0 pass on lists, whole and broken.
func TestListsThroughNginx(t *testing.T) {
	const sessions = 3000
	w := serve(t, still())
	for i := range sessions {
		w.create("app", fmt.Sprintf("user%d", i), "ip=::1", `{"n":1}`)
	}
	read := func(client *http.Client) (int, string, error) {
		resp, err := client.Get("http://nginx/app/soapp?dt=60")
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	client := w.nginx()
	for range 3 {
		status, body, err := read(client)
		if n := strings.Count(body, `"id":"user`); status != 200 || err != nil || n != sessions {
			t.Errorf("%d with %d of %d sessions: %v", status, n, sessions, err)
		}
		if got := string(body[:min(len(body), len(listHead))]); got != listHead || !strings.HasSuffix(body, listTail) {
			t.Errorf("from %q to %q", got, body[max(0, len(body)-20):])
		}
	}
	w.noneInFlight()

	faulty := storetest.NewFaulty(smallLists{still(), sessions})
	faulty.FailNext("SessionsOfApp", 2900, store.ErrUnavailable)
	status, body, err := read(serve(t, faulty).nginx())
	if err == nil {
		t.Errorf("a list that broke off came as %d with %d bytes, and no error", status, len(body))
	}
}

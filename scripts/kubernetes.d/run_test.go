package kubernetes

import (
	"bufio"
	"io"
	"math/rand/v2"
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

	core "k8s.io/api/core/v1"
)

// program is the server; scripts/kubernetes builds it.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("KUBERNETES_PROGRAM")
	if path == "" {
		t.Fatal("KUBERNETES_PROGRAM names no server; run scripts/kubernetes")
	}
	return path
}

// help is the server's table of variables: name, default or nothing, text.
var help = sync.OnceValues(func() (string, error) {
	text, err := exec.Command(os.Getenv("KUBERNETES_PROGRAM"), "--help").Output()
	return string(text), err
})

// defaultOf is the default of a variable. One that the server does not have is a failure.
func defaultOf(t *testing.T, name string) string {
	t.Helper()
	program(t)
	text, err := help()
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^  ` + name + `  +(.*)$`).FindStringSubmatch(text)
	if row == nil {
		t.Fatalf("the server has no variable %s", name)
	}
	value, _, _ := strings.Cut(row[1], "  ")
	return value
}

// environment is what the container has.
func environment(c core.Container) map[string]string {
	m := map[string]string{}
	for _, v := range c.Env {
		m[v.Name] = v.Value
	}
	return m
}

// fileOf is the key of the Secret that is mounted at a path, "" if none is.
func fileOf(t *testing.T, o *objects, path string) string {
	t.Helper()
	for _, mount := range o.container(t).VolumeMounts {
		for _, v := range o.pod().Volumes {
			if v.Name != mount.Name {
				continue
			}
			for _, item := range v.Secret.Items {
				if filepath.Join(mount.MountPath, item.Path) == path {
					return item.Key
				}
			}
		}
	}
	return ""
}

// TestRun runs the server as the Deployment does, with a real Redis: the probes get 200,
// Prometheus its metrics, and SIGTERM ends it in the time that the pod has.
func TestRun(t *testing.T) {
	o := built(t)
	const password = "redis-0123456789"
	web, watch := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	secret := map[string]string{
		"redis-password": password, "api-keys": "web!web:" + web + " watch!ro:" + watch, "metrics-key": watch,
	}
	redis := freePort(t)
	start(t, exec.Command("redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--requirepass", password))

	c := o.container(t)
	port := freePort(t)
	server := exec.Command(program(t))
	server.Env = []string{"RS_HOST=127.0.0.1", "RS_PORT=" + port, "RS_REDISPORT=" + redis, "RS_TIMEOUT=10s"}
	for name, value := range environment(c) {
		switch {
		case strings.HasSuffix(name, "_FILE"):
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(secret[fileOf(t, o, value)]), 0o440); err != nil {
				t.Fatal(err)
			}
			value = file
		case name == "RS_REDISHOST":
			value = "127.0.0.1"
		}
		server.Env = append(server.Env, name+"="+value)
	}
	ended := start(t, server)

	base := "http://127.0.0.1:" + port
	ready := c.ReadinessProbe.HTTPGet.Path
	waitFor(t, func() bool { status, _ := ask(t, base+ready, ""); return status == http.StatusOK })
	for _, probe := range []*core.Probe{c.StartupProbe, c.LivenessProbe} {
		if status, text := ask(t, base+probe.HTTPGet.Path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", probe.HTTPGet.Path, status, text)
		}
	}
	monitor := o.monitor.Spec.Endpoints[0]
	key := secret[monitor.Authorization.Credentials.Key]
	if status, text := ask(t, base+monitor.Path, key); status != http.StatusOK || !strings.Contains(text, "rest_sessions_store_writable 1") {
		t.Errorf("%s: %d %.200s", monitor.Path, status, text)
	}
	for _, path := range []string{monitor.Path, "/shop/activity?dt=600"} {
		if status, _ := ask(t, base+path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a key: %d", path, status)
		}
	}
	if status, _ := ask(t, base+"/shop/soid/user", web); status != http.StatusOK {
		t.Errorf("with the key of the web tier: %d", status)
	}

	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { status, _ := ask(t, base+ready, ""); return status == http.StatusServiceUnavailable })
	if status, _ := ask(t, base+c.LivenessProbe.HTTPGet.Path, ""); status != http.StatusOK {
		t.Errorf("while it ends: %s answers %d", c.LivenessProbe.HTTPGet.Path, status)
	}
	select {
	case <-ended:
	case <-time.After(seconds(*o.pod().TerminationGracePeriodSeconds - o.container(t).Lifecycle.PreStop.Sleep.Seconds)):
		t.Fatal("it does not end in the time that the pod has")
	}
	if code := server.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

// start starts a process, which ends with the test, and returns what is closed at its end.
func start(t *testing.T, c *exec.Cmd) <-chan struct{} {
	t.Helper()
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", c.Path, log.String())
		}
	})
	return ended
}

// ask returns the status and the text of an answer, 0 if there is none.
func ask(t *testing.T, url, key string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Else the server would show its metrics without a key, to a client on its own machine.
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	r.Close = true
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return 0, err.Error()
	}
	return a.StatusCode, string(text)
}

// waitFor waits until a condition holds, for a minute at most.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

// freePort is a free port. It is below those that Linux gives to connections: one of these
// could take it before it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(16384 + rand.N(16000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lineOf is the line of a file that begins with something.
func lineOf(t *testing.T, path, prefix string) string {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(readText(t, path))); s.Scan(); {
		if strings.HasPrefix(s.Text(), prefix) {
			return s.Text()
		}
	}
	t.Fatalf("%s has no line %q", path, prefix)
	return ""
}

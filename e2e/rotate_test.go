package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// TestRotatedPassword changes Redis' password under a server: it is read again for each
// connection and on SIGHUP, from the file of the password and from that of the URL.
func TestRotatedPassword(t *testing.T) {
	for name, content := range map[string]func(port int, password string) string{
		"RS_REDIS_PASSWORD_FILE": func(_ int, password string) string { return password },
		"RS_REDIS_URL_FILE": func(port int, password string) string {
			return "redis://:" + password + "@127.0.0.1:" + strconv.Itoa(port)
		},
	} {
		t.Run(name, func(t *testing.T) {
			redis := redistest.Start(t)
			file := filepath.Join(t.TempDir(), "secret")
			write := func(password string) {
				if err := os.WriteFile(file, []byte(content(redis.Port(), password)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			change := func(password string) {
				redis.Do(t, "CONFIG", "SET", "requirepass", password)
				redis.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			}
			write("first")
			change("first")
			environ := []string{name + "=" + file}
			if name == "RS_REDIS_PASSWORD_FILE" {
				environ = append(environ, "RS_REDISPORT="+strconv.Itoa(redis.Port()))
			}
			p := startReady(t, environ...)
			token := p.create("/app/create/user?ip=::1")
			serves := func() bool { status, _ := p.do("GET", "/app/get/"+token); return status == 200 }
			soon := func(what string) {
				t.Helper()
				for deadline := time.Now().Add(patience / 4); !serves(); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("%s: not served\n%s", what, p.log())
					}
				}
			}
			soon("at the start")

			write("second")
			change("second")
			soon("the file before Redis")

			change("third")
			for serves() {
				time.Sleep(10 * time.Millisecond)
			}
			if status, _ := p.do("GET", "/readyz"); status != 503 {
				t.Errorf("readyz: %d", status)
			}
			write("third")
			soon("Redis before the file")

			// One connection is made with the old password; those to come need the new one.
			redis.Do(t, "CONFIG", "SET", "requirepass", "fourth")
			write("fourth")
			p.cmd.Process.Signal(syscall.SIGHUP)
			p.awaitLog("reload: redis: connected anew", 1)
			if !serves() {
				t.Error("not served after SIGHUP")
			}
			for _, password := range []string{"first", "second", "third", "fourth"} {
				if strings.Contains(p.log(), password) {
					t.Errorf("the log has a password:\n%s", p.log())
				}
			}
		})
	}
}

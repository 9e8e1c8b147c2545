package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/store/embedded"
)

// newDir names a directory that is not there yet.
func newDir(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

var token64 = regexp.MustCompile(`[A-Za-z0-9]{64}`)

// create starts a session and returns its token.
func (p *process) create(path string) string {
	p.t.Helper()
	status, body := p.do("PUT", path)
	token := token64.FindString(body)
	if status != 200 || token == "" {
		p.t.Fatalf("PUT %s answered %d %s", path, status, body)
	}
	return token
}

// set sends a body and returns status and answer.
func (p *process) set(path, body string) (int, string) {
	p.t.Helper()
	resp, err := http.Post(p.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text := make([]byte, 200)
	n, _ := resp.Body.Read(text)
	return resp.StatusCode, string(text[:n])
}

// TestData ends a server in order, and by SIGKILL, and starts it again.
func TestData(t *testing.T) {
	dir := newDir(t)
	p := start(t, "RS_DATA="+dir)
	if !strings.Contains(p.log(), "0 sessions in this process' memory and in "+dir) {
		t.Errorf("the log:\n%s", p.log())
	}
	token := p.create("/shop/create/user?ip=::1")
	killed := p.create("/shop/create/user?ip=::1")
	p.expect("GET", "/shop/get/"+token, 200, "")
	p.expect("DELETE", "/shop/kill/"+killed, 200, `{"kill":1}`)

	code, _, stderr := run1(t, nil, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_DATA="+dir)
	if code != 1 || !strings.Contains(stderr, "another process uses it") || !strings.Contains(stderr, dir) {
		t.Errorf("a second server: exit code %d: %s", code, stderr)
	}

	// A backup of a server that runs; it is restored below.
	p.cmd.Process.Signal(embedded.BackupSignal)
	backup := filepath.Join(dir, "sessions.db.backup")
	for waited := time.Now(); !strings.Contains(p.log(), "backup: "+backup); time.Sleep(5 * time.Millisecond) {
		if time.Since(waited) > patience {
			t.Fatalf("no backup:\n%s", p.log())
		}
	}

	p.cmd.Process.Signal(os.Interrupt)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
	}
	p = start(t, "RS_DATA="+dir, "RS_STORE=embedded")
	// In order, so the read that was just before is there as well.
	p.expect("GET", "/shop/get/"+token, 200, "")
	if _, body := p.do("GET", "/shop/get/"+token); !strings.HasPrefix(body, `{"id":"user","r":3,"w":1,`) {
		t.Errorf("the session is %s", body)
	}
	p.expect("GET", "/shop/get/"+killed, 200, "{}")
	p.expect("DELETE", "/shop/killall", 200, `{"kill":1}`)
	p.cmd.Process.Signal(syscall.SIGKILL)
	p.wait()

	p = start(t, "RS_DATA="+dir, "RS_REDISHOST=127.0.0.1")
	p.expect("GET", "/shop/get/"+token, 200, "{}")
	if !strings.Contains(p.log(), "WARN RS_DATA is set, so sessions are kept there and not in Redis") {
		t.Errorf("the log:\n%s", p.log())
	}
	p.cmd.Process.Kill()
	p.wait()
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if err := os.Rename(backup, filepath.Join(dir, "sessions.db")); err != nil {
		t.Fatal(err)
	}
	p = start(t, "RS_DATA="+dir)
	if _, body := p.do("GET", "/shop/get/"+token); !strings.HasPrefix(body, `{"id":"user",`) {
		t.Errorf("the restored session is %s", body)
	}
	p.expect("GET", "/shop/get/"+killed, 200, "{}")
}

func TestDataRefused(t *testing.T) {
	foreign := newDir(t)
	os.Mkdir(foreign, 0o700)
	os.WriteFile(filepath.Join(foreign, "sessions.db"), []byte(strings.Repeat("not ours\n", 2000)), 0o600)
	for _, c := range []struct {
		environ []string
		code    int
		want    string
	}{
		{[]string{"RS_DATA=" + foreign}, 1, "it is not a file of this server; nothing in it was changed"},
		{[]string{"RS_DATA=" + newDir(t), "RS_STORE=redis"}, 2, "RS_DATA is set and RS_STORE is redis"},
		{[]string{"RS_DATA=" + newDir(t), "RS_WIPE=0"}, 2, "RS_WIPE"},
		{[]string{"RS_DATA=" + filepath.Join(foreign, "sessions.db", "x")}, 1, "not a directory"},
	} {
		code, _, stderr := run1(t, nil, append([]string{"RS_HOST=127.0.0.1", "RS_PORT=0"}, c.environ...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d: %s", c.environ, code, stderr)
		}
	}
}

// fillDisk sets ever more data until the disk of a server is full, makes room, and
// wants writes refused and reads served in between. full is what the log says.
func fillDisk(t *testing.T, p *process, full string, makeRoom func()) {
	t.Helper()
	kept := p.create("/shop/create/kept?ip=::1")
	tokens := []string{kept}
	var acknowledged int
	for status := 200; status == 200; {
		if acknowledged > 2000 {
			t.Fatal("the disk does not get full")
		}
		var body string
		if status, body = p.do("PUT", "/shop/create/user?ip=::1"); status == 200 {
			token := token64.FindString(body)
			tokens = append(tokens, token)
			status, body = p.set("/shop/set/"+token, fmt.Sprintf(`{"big":"%s"}`, strings.Repeat("x", 50_000)))
			acknowledged++
		}
		if status != 200 && (status != 503 || !strings.Contains(body, `"storeUnavailable"`)) {
			t.Fatalf("a write on a full disk answered %d %s", status, body)
		}
	}
	for _, r := range [][2]string{
		{"PUT", "/shop/create/user?ip=::1"}, {"DELETE", "/shop/kill/" + kept}, {"DELETE", "/shop/killsoid/user"}, {"DELETE", "/shop/killall"},
	} {
		p.expect(r[0], r[1], 503, "")
	}
	for _, token := range tokens {
		if status, body := p.do("GET", "/shop/get/"+token); status != 200 || !strings.Contains(body, `"id":`) {
			t.Fatalf("a get on a full disk answered %d %.200s", status, body)
		}
	}
	p.expect("GET", "/readyz", 200, "ok")
	if !strings.Contains(p.log(), full) {
		t.Errorf("the log should say %q:\n%s", full, p.log())
	}
	makeRoom()
	room := time.Now()
	for status := 503; status != 200; status, _ = p.set("/shop/set/"+kept, `{"a":1}`) {
		if time.Since(room) > patience {
			t.Fatalf("there is room and writes are refused:\n%s", p.log())
		}
	}
	t.Logf("full after %d sets of 50 KB; a write was taken %v after there was room", acknowledged, time.Since(room))
	p.cmd.Process.Kill()
	p.wait()
	p.t.Logf("the log:\n%s", p.log())
}

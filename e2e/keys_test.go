package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Keys of tests.
const (
	oldKey = "old0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	newKey = "new0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// status asks for an activity with a key, "" for none, and returns the status.
func (p *process) status(key string) int {
	p.t.Helper()
	request, err := http.NewRequest("GET", p.url+"/app/activity?dt=60", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// awaitLog waits until the log says text n times.
func (p *process) awaitLog(text string, n int) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(p.log(), text) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the log does not say %q %d times:\n%s", text, n, p.log())
		}
	}
}

// TestReloadKeys changes the file of keys under a running server, and spoils it.
func TestReloadKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# the web tier\nweb:" + oldKey + "\n")
	p := start(t, "RS_STORE=embedded", "RS_API_KEYS_FILE="+file)
	expect := func(forOld, forNew int) {
		t.Helper()
		if a, b := p.status(oldKey), p.status(newKey); a != forOld || b != forNew {
			t.Errorf("the old key answers %d, not %d; the new %d, not %d", a, forOld, b, forNew)
		}
		if got := p.status(""); got != 401 {
			t.Errorf("no key answers %d", got)
		}
	}
	reloads := 0
	reload := func(said string) {
		t.Helper()
		reloads++
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.awaitLog("reload: ", reloads)
		if lines := strings.Split(strings.TrimSpace(p.log()), "\n"); !strings.Contains(lines[len(lines)-1], said) {
			t.Errorf("the log says %s, not %s", lines[len(lines)-1], said)
		}
	}
	expect(200, 401)
	write("web:" + oldKey + "\nweb2:" + newKey)
	expect(200, 401)
	reload("2 API keys")
	expect(200, 200)
	for text, said := range map[string]string{
		"":                         "the API keys have not changed: " + file + ": there is no key",
		"web:short " + newKey[:16]: "entry 2: it has no colon",
	} {
		write(text)
		if text != "" {
			reloads++ // two lines
		}
		reload(said)
		expect(200, 200)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	reload("no such file")
	expect(200, 200)
	write("web2:" + newKey)
	reload("1 API key from")
	expect(401, 200)
	if log := p.log(); strings.Contains(log, oldKey[:16]) || strings.Contains(log, newKey[:16]) {
		t.Errorf("the log has a key:\n%s", log)
	}
}

// TestKeysOfTheEnvironment cannot change; SIGHUP says so and ends nothing.
func TestKeysOfTheEnvironment(t *testing.T) {
	p := start(t, "RS_STORE=embedded", "RS_API_KEYS=a@app!ro:"+oldKey+",b@other:"+newKey)
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("reload: the API keys have not changed: only those of RS_API_KEYS_FILE", 1)
	for key, want := range map[string]int{"": 401, oldKey: 200, newKey: 403} {
		if got := p.status(key); got != want {
			t.Errorf("the key %q answers %d, not %d", key, got, want)
		}
	}
}

// TestWrongKeys starts with keys that are none, among them an empty file: that must
// not open the server.
func TestWrongKeys(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for environ, want := range map[string]string{
		"RS_API_KEYS=web:" + oldKey[:31]:        "RS_API_KEYS: entry 1: its key must be 32",
		"RS_API_KEYS=" + oldKey:                 "RS_API_KEYS: entry 1: it has no colon",
		"RS_API_KEYS=;":                         "RS_API_KEYS: there is no key in it",
		"RS_API_KEYS_FILE=" + empty:             "RS_API_KEYS_FILE: " + empty + ": there is no key in it",
		"RS_API_KEYS_FILE=/dev/null":            "RS_API_KEYS_FILE: /dev/null: there is no key in it",
		"RS_API_KEYS_FILE=" + empty + ".missed": "RS_API_KEYS_FILE: open",
	} {
		code, _, stderr := run1(t, nil, environ, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_STORE=embedded")
		if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) || strings.Contains(stderr, oldKey[:16]) {
			t.Errorf("%.20s: exit code %d: %s", environ, code, stderr)
		}
	}
}

// TestOpenWarning warns who lets other machines in without keys.
func TestOpenWarning(t *testing.T) {
	const warning = "can read, change and end every session"
	for _, c := range []struct {
		environ []string
		warned  bool
	}{
		{[]string{"RS_HOST=0.0.0.0"}, true},
		{[]string{"RS_HOST="}, true},
		{[]string{"RS_HOST=0.0.0.0", "RS_API_KEYS=web:" + oldKey}, false},
		{[]string{"RS_HOST=127.0.0.1"}, false},
	} {
		p := start(t, append(c.environ, "RS_STORE=embedded")...)
		if got := strings.Contains(p.log(), warning); got != c.warned {
			t.Errorf("%v: warned is %v", c.environ, got)
		}
	}
}

// TestCookie names the cookie that holds the token, and names it wrongly.
func TestCookie(t *testing.T) {
	for environ, name := range map[string]string{"RS_COOKIE=__Host-shop": "__Host-shop", "RS_COOKIE=": "sid"} {
		p := start(t, "RS_STORE=embedded", environ)
		_, body := p.do("PUT", "/app/create/id?ip=::1")
		token := regexp.MustCompile(`[A-Za-z0-9]{64}`).FindString(body)
		for cookie, want := range map[string]string{name: `"id":"id"`, "session": "noToken"} {
			head := "GET /app/get/- HTTP/1.1\r\nHost: t\r\nConnection: close\r\nCookie: " + cookie + "=" + token + "\r\n\r\n"
			if answer := p.send(head); !strings.Contains(answer, want) {
				t.Errorf("%s: the cookie %s is answered %s", environ, cookie, answer)
			}
		}
	}
	code, _, stderr := run1(t, nil, "RS_COOKIE=my sid", "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_STORE=embedded")
	if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, `RS_COOKIE is "my sid"; it must be a cookie's name`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

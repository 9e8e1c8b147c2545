package e2e

import (
	"fmt"
	"go/format"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-json"

	"rest-sessions/internal/redistest"
)

// loginSite is a site in one language, of testdata/login, with the block of README.
type loginSite struct {
	language string
	file     string   // in which the block is kept
	site     string   // of testdata/login, which uses it
	command  []string // that runs the site; PORT stands for its port
	url      string
	done     chan struct{} // closed when the site has ended
	process  *process
	deleted  bool // README says how the cookie is deleted
}

// TestReadmeLogin runs the login of README in each language: with no session, with one,
// after a logout, with a key that the server does not have, and without the server.
func TestReadmeLogin(t *testing.T) {
	needCommand(t, "php", "python3", "node", "go")
	keys := filepath.Join(t.TempDir(), "keys")
	const right, wrong = "site!web:0123456789abcdef0123456789abcdef", "site!web:fedcba9876543210fedcba9876543210"
	writeText(t, keys, right)
	server := start(t, "RS_STORE=embedded", "RS_API_KEYS_FILE="+keys)
	sites := []*loginSite{
		{language: "php", file: "sessions.php", site: "site.php", command: []string{"php", "-S", "127.0.0.1:PORT", "site.php"}},
		{language: "python", file: "sessions.py", site: "site.py", command: []string{"python3", "site.py"}},
		{language: "js", file: "sessions.mjs", site: "site.mjs", command: []string{"node", "site.mjs"}},
		{language: "go", file: "sessions.go", site: "site.go", command: []string{"./site"}},
	}
	for _, s := range sites {
		s.start(t, server.url, strings.Split(right, ":")[1])
	}
	cookies := map[*loginSite]string{}
	for _, s := range sites {
		s.await(t)
		user := "zoë/1+2 & " + s.language
		s.expect(t, "/me", "", 401, "none")
		s.expect(t, "/me", "sid=none", 401, "none")
		s.expect(t, "/me", "sid="+strings.Repeat("A", 64), 401, "none")
		token := s.login(t, user)
		s.expect(t, "/me", "a=1; sid="+token, 200, user)
		s.expect(t, "/me", "a="+strings.Repeat("x", 5000)+"; b="+strings.Repeat("x", 5000)+"; sid="+token+"; c=é", 200, user)
		s.expect(t, "/me", "my_sid="+token+"; sid2="+token, 401, "none")
		other := s.login(t, "other of "+s.language)
		for _, two := range []string{"sid=" + token + "; sid=" + other, "sid=" + other + ";sid=" + token} {
			s.expect(t, "/me", two, 401, "none")
		}
		s.expect(t, "/theme?theme=d%C3%A4rk", "sid="+token, 200, "därk")
		s.logout(t, "sid="+token)
		s.logout(t, "")
		s.expect(t, "/me", "sid="+token, 401, "none")
		cookies[s] = "sid=" + s.login(t, user)
		s.wantOne(t, server, user, right)
		for _, user := range []string{".", ".."} {
			if s.language == "js" { // which rejects it, as fetch would ask for another path
				s.expect(t, "/login?user="+user, "", 500, "RangeError: fetch cannot have such a path")
				continue
			}
			s.expect(t, "/me", "sid="+s.login(t, user), 200, user)
		}
	}
	writeText(t, keys, wrong)
	server.cmd.Process.Signal(syscall.SIGHUP)
	for deadline := time.Now().Add(patience); !strings.Contains(server.log(), "reload: 1 API key"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the keys are not read again:\n%s", server.log())
		}
	}
	// unknown wants it so, for a reason that the site is told.
	unknown := func(why, reason string) {
		for _, path := range []string{"/logout", "/me", "/login?user=me"} {
			for _, s := range sites {
				resp, body := s.get(t, path, cookies[s])
				if resp.StatusCode != 503 || resp.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %s: %s answers %s with the cookie %q", why, s.language, path, resp.Status, resp.Header.Get("Set-Cookie"))
				}
				if s.language == "php" { // which logs it
					body = s.awaitLog(reason)
				}
				if path == "/logout" && !strings.Contains(strings.ToLower(body), reason) {
					t.Errorf("%s: %s: the site is not told so, but %q", why, s.language, body)
				}
			}
		}
	}
	unknown("another key", "unauthorized")
	server.cmd.Process.Kill()
	<-server.done
	unknown("no server", "refused")
}

// start writes the site and the block of README into a directory and runs it there.
func (s *loginSite) start(t *testing.T, sessions, key string) {
	dir, code := t.TempDir(), ""
	for _, b := range blocksOf(t, "README.md") {
		if b.language == s.language {
			code = b.text
		}
	}
	if !strings.Contains(code, "http://127.0.0.1:3000") {
		t.Fatalf("the block %s of README does not ask http://127.0.0.1:3000 by default:\n%s", s.language, code)
	}
	if s.language == "go" {
		if clean, err := format.Source([]byte(code)); err != nil || string(clean) != code {
			t.Errorf("the Go block of README is not as gofmt has it: %v", err)
		}
		writeText(t, filepath.Join(dir, "go.mod"), readText(t, "e2e/testdata/login/go.mod"))
	}
	writeText(t, filepath.Join(dir, s.file), code)
	site := readText(t, "e2e/testdata/login/"+s.site)
	writeText(t, filepath.Join(dir, s.site), site)
	// The page says how a cookie is deleted, and the site does it so.
	deletes := regexp.MustCompile("`([^`]+)` deletes the cookie")
	for _, said := range deletes.FindAllStringSubmatch(readText(t, "README.md"), -1) {
		s.deleted = s.deleted || strings.Contains(site, said[1])
	}
	if !s.deleted {
		t.Errorf("README.md does not delete the cookie as the site in %s does", s.language)
	}
	if s.language == "go" {
		build := exec.Command("go", "build", "-o", "site", ".")
		build.Dir = dir
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("the Go block of README: %v\n%s", err, out)
		}
	}
	port := freePort(t)
	s.url = "http://127.0.0.1:" + port
	var args []string
	for _, a := range s.command {
		args = append(args, strings.ReplaceAll(a, "PORT", port))
	}
	p := &process{t: t, done: make(chan struct{}), cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Dir, p.cmd.Stderr = dir, os.Stderr
	if s.language == "php" { // whose server logs each request there
		p.cmd.Stderr = writerFunc(func(b []byte) (int, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.stderr.Write(b)
		})
	}
	p.cmd.Env = append(os.Environ(), "PORT="+port, "SESSIONS_URL="+sessions, "SESSIONS_KEY="+key, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	p.begin()
	s.done, s.process = p.done, p
}

func (s *loginSite) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * patience); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get(s.url + "/"); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-s.done:
			t.Fatalf("the site in %s has ended", s.language)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the site in %s does not answer", s.language)
		}
	}
}

func (s *loginSite) get(t *testing.T, path, cookie string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", s.language, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (s *loginSite) expect(t *testing.T, path, cookie string, status int, body string) {
	t.Helper()
	if resp, b := s.get(t, path, cookie); resp.StatusCode != status || b != body {
		t.Errorf("%s: %s with %q answers %s %q, not %d %q", s.language, path, cookie, resp.Status, b, status, body)
	}
}

// awaitLog returns the log of a site once it has the text, in any case.
func (s *loginSite) awaitLog(text string) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if log := s.process.log(); strings.Contains(strings.ToLower(log), text) || time.Now().After(deadline) {
			return log
		}
	}
}

// logout wants a page that deletes the cookie.
func (s *loginSite) logout(t *testing.T, cookie string) {
	t.Helper()
	resp, body := s.get(t, "/logout", cookie)
	got := resp.Cookies()
	if resp.StatusCode != 200 || body != "" || len(got) != 1 {
		t.Fatalf("%s: the logout answers %s %q with the cookies %v", s.language, resp.Status, body, got)
	}
	if c := got[0]; c.Name != "sid" || c.MaxAge >= 0 || c.Path != "/" || !c.Secure {
		t.Errorf("%s: the cookie is deleted by %s", s.language, c.Raw)
	}
}

// login returns the token that a login sets as a cookie.
func (s *loginSite) login(t *testing.T, user string) string {
	t.Helper()
	resp, body := s.get(t, "/login?user="+url.QueryEscape(user), "")
	got := resp.Cookies()
	if resp.StatusCode != 200 || len(got) != 1 {
		t.Fatalf("%s: the login answers %s %q with the cookies %v", s.language, resp.Status, body, got)
	}
	c := got[0]
	if c.Name != "sid" || len(c.Value) != 64 || c.Path != "/" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%s: the cookie is %s", s.language, c.Raw)
	}
	return c.Value
}

// wantOne wants the user to have one session, of this machine, for a day.
func (s *loginSite) wantOne(t *testing.T, server *process, user, key string) {
	t.Helper()
	req, err := http.NewRequest("GET", server.url+"/shop/soid/"+url.PathEscape(user), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(key, ":")
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct {
		Sessions []struct {
			ID, IP string
			TTL    int
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(list.Sessions), fmt.Sprint([]any{struct {
		ID, IP string
		TTL    int
	}{user, "127.0.0.1", 86400}}); got != want {
		t.Errorf("%s: the sessions are %s, not %s", s.language, got, want)
	}
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := redistest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rest-sessions/internal/config"
)

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

// TestUnknownNames refuses to start with a variable that means nothing: RS_API_KEY would
// leave a server open that was to be locked.
func TestUnknownNames(t *testing.T) {
	code, _, stderr := run1(t, nil, "RS_API_KEY=web:x", "RS_REDS_URL=redis://x", "RS_TLS_CERTS=x", "RS_PORT=tcp://10.0.0.1:80", "RS_WIPE=2000000000", "RS_TIMEOUT=1h", "RS_FOO=1")
	for _, want := range []string{
		"no variable RS_API_KEY; the nearest is RS_API_KEYS",
		"no variable RS_REDS_URL; the nearest is RS_REDIS_URL",
		"no variable RS_TLS_CERTS; the nearest is RS_TLS_CERT",
		"no variable RS_FOO; --help prints all",
		`RS_PORT is "tcp://10.0.0.1:80"; a Kubernetes service named rs sets this: set enableServiceLinks: false`,
		`RS_WIPE is "2000000000"; it must be a number of seconds, 10 to 86400`,
		`RS_TIMEOUT is "1h"; it must be a duration from 10ms to 1m`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if code != 2 || strings.Count(stderr, "\n") != 7 {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
}

// stamp is the time at the beginning of a line of the log.
var stamp = regexp.MustCompile(`(?m)^\S+ `)

// TestConfig runs the subcommand, and a server with the same environment, which says the
// same of what is wrong.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("opensesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const none = "RS_REDIS_URL=redis://:opensesame@127.0.0.1:1"
	for _, c := range []struct {
		environ []string
		code    int
		want    []string // lines, with one space before the comment
	}{
		{[]string{"RS_STORE=redis"}, 0, []string{"RS_PORT=3000 # default", "RS_HOST= # default: all interfaces", "RS_STORE=redis # environment", "RS_REDIS_PASSWORD= # default", "RS_API_KEYS= # default: no key is needed"}},
		{[]string{"RS_PORT=0", none}, 0, []string{"RS_PORT=0 # environment", "RS_STORE=auto # default: redis, since RS_REDIS_URL is set",
			"RS_REDIS_URL=redis://:(hidden)@127.0.0.1:1 # environment", "RS_REDISHOST=127.0.0.1 # default, not used, since RS_REDIS_URL is set"}},
		{[]string{"RS_DATA=" + dir, "RS_LOG_IDS=hash", "RS_LOG_IDS_KEY=opensesame" + oldKey}, 0, []string{"RS_STORE=auto # default: embedded, since RS_DATA is set", "RS_DATA=" + dir + " # environment", "RS_LOG_IDS_KEY=(hidden) # environment"}},
		{[]string{"RS_STORE=embedded", "RS_API_KEYS=web:opensesame" + oldKey + " php@shop,blog!ro:opensesame" + newKey}, 0, []string{"RS_API_KEYS=web:(hidden) php@shop,blog!ro:(hidden) # environment"}},
		{[]string{"RS_REDIS_USER=a b ", "RS_REDIS_PASSWORD_FILE=" + file}, 0, []string{`RS_REDIS_USER="a b " # environment`, "RS_REDIS_PASSWORD=(hidden) # file " + file}},
		{[]string{"RS_REDIS_PASSWORD_FILE=" + file + ".gone", "RS_PORT=http", "RS_PROT=opensesame", "RS_REDISHOST=opensesame@db", "RS_API_KEYS=web:opensesame", "RS_TLS_KEY=-----BEGIN PRIVATE KEY-----\nopensesame", "RS_TLS_CERT=/none"}, 2,
			[]string{"RS_PORT=http # environment", "RS_REDIS_PASSWORD= # file " + file + ".gone, of which nothing is used", "RS_REDISHOST=(hidden) # environment",
				"RS_API_KEYS=(hidden) # environment", "RS_TLS_KEY=(hidden) # environment", "RS_TLS_CERT=/none # environment"}},
	} {
		code, out, stderr := run1(t, []string{"config"}, c.environ...)
		if code != c.code {
			t.Errorf("%v: exit code %d:\n%s", c.environ, code, stderr)
		}
		lines := strings.Split(strings.TrimSpace(regexp.MustCompile(`(?m) +# `).ReplaceAllString(out, " # ")), "\n")
		if len(lines) != len(config.Names()) {
			t.Errorf("%v: %d lines:\n%s", c.environ, len(lines), out)
		}
		for i, name := range config.Names() {
			if !strings.HasPrefix(lines[i], name+"=") {
				t.Errorf("line %d is %s, not of %s", i, lines[i], name)
			}
		}
		for _, want := range c.want {
			if !slices.Contains(lines, want) {
				t.Errorf("%v: no line %s in\n%s", c.environ, want, out)
			}
		}
		if strings.Contains(out+stderr, "opensesame") {
			t.Errorf("%v: it shows a secret:\n%s%s", c.environ, out, stderr)
		}
		if c.code == 0 {
			if stderr != "" {
				t.Errorf("%v: it says\n%s", c.environ, stderr)
			}
			continue
		}
		code, _, started := run1(t, nil, c.environ...)
		if code != c.code || stamp.ReplaceAllString(started, "") != stamp.ReplaceAllString(stderr, "") {
			t.Errorf("%v: config says\n%snot what a server says, with exit code %d:\n%s", c.environ, stderr, code, started)
		}
	}
}

// TestConfigBesideServer runs it with the environment of a server that runs.
func TestConfigBesideServer(t *testing.T) {
	data := t.TempDir()
	p := start(t, "RS_DATA="+data)
	port := p.url[strings.LastIndexByte(p.url, ':')+1:]
	code, out, stderr := run1(t, []string{"config"}, "RS_HOST=127.0.0.1", "RS_PORT="+port, "RS_DATA="+data)
	if code != 0 || !strings.Contains(out, "RS_PORT="+port+" ") || stderr != "" {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	p.expect("GET", "/ping", 200, "PONG")
}

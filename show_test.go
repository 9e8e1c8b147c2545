package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
		if len(lines) != len(variables()) {
			t.Errorf("%v: %d lines:\n%s", c.environ, len(lines), out)
		}
		for i, v := range variables() {
			if !strings.HasPrefix(lines[i], v.name+"=") {
				t.Errorf("line %d is %s, not of %s", i, lines[i], v.name)
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

// TestSecretsAreMarked wants every variable that may hold a secret to have the tag, and no
// tag of another kind than there are.
func TestSecretsAreMarked(t *testing.T) {
	safe := []string{"RS_TLS_KEY", "RS_REDIS_KEY"} // names of files
	for _, v := range variables() {
		if regexp.MustCompile("PASSWORD|KEY|SECRET|TOKEN|URL").MatchString(v.name) && v.secret == "" && !slices.Contains(safe, v.name) {
			t.Errorf("%s may hold a secret: give it the tag secret, or name it here", v.name)
		}
		if slices.Contains(safe, v.name) && !v.path {
			t.Errorf("%s is not the name of a file", v.name)
		}
		if !slices.Contains([]string{"", "true", "url", "keys", "host"}, v.secret) {
			t.Errorf("%s has the tag secret:%q", v.name, v.secret)
		}
		if v.secret == "" {
			continue
		}
		for _, value := range []string{"opensesame@", "redis://opensesame", "web:opensesame" + oldKey, ":opensesame@db", "sesame ? # @"} {
			if got := v.shown(value); v.secret != "host" && strings.Contains(got, "sesame") && !strings.HasPrefix(got, "redis://opensesame") {
				t.Errorf("%s=%s is shown as %s", v.name, value, got)
			}
		}
	}
}

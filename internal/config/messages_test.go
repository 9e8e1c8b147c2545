package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// aKey is long enough for an API key and for the key of pseudonyms.
const aKey = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"

// TestMessages holds what is said of a configuration that is wrong: which variable, and
// what to set instead. Nothing of a password is said.
func TestMessages(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const aHost = "RS_REDISHOST must be a host alone: put the port in RS_REDISPORT, or use RS_REDIS_URL instead"
	const aURL = "RS_REDISHOST holds a URL; it must be a host alone: put the URL in RS_REDIS_URL instead"
	const aLogKey = "RS_LOG_IDS_KEY is set and RS_LOG_IDS is not hash, so ids would be shown as they are; set RS_LOG_IDS=hash, or leave out the key"
	for _, c := range []struct {
		environ string // NAME=value, with spaces between
		want    []string
	}{
		{"RS_REDISHOST=db:6380", []string{`RS_REDISHOST is "db:6380"; it must be a host without a port: put the port in RS_REDISPORT, or set RS_REDIS_URL=redis://db:6380 instead`}},
		{"RS_REDISHOST=[::1]:6380", []string{`RS_REDISHOST is "[::1]:6380"; it must be a host without a port: put the port in RS_REDISPORT, or set RS_REDIS_URL=redis://[::1]:6380 instead`}},
		{"RS_REDISHOST=redis://:opensesame@db:6380/0", []string{aURL}},
		{"RS_REDISHOST=opensesame@db:6380", []string{aHost}},
		{"RS_REDISHOST=:opensesame@db", []string{aHost}},
		{"RS_REDISHOST=db:opensesame", []string{aHost}},
		{"RS_REDISHOST=db1,db2", []string{aHost}},
		{"RS_REDISHOST=/run/redis.sock", []string{aHost}},
		{"RS_REDISHOST=::1", nil},
		{"RS_REDISHOST=fe80::1%eth0", nil},
		{"RS_REDISHOST=redis.example.com", nil},

		{"RS_HOST=127.0.0.1:3000", []string{`RS_HOST is "127.0.0.1:3000"; it must be an address without a port: set RS_HOST=127.0.0.1 and RS_PORT=3000`}},
		{"RS_HOST=[::1]:80", []string{`RS_HOST is "[::1]:80"; it must be an address without a port: set RS_HOST=::1 and RS_PORT=80`}},
		{"RS_HOST=:8080", []string{`RS_HOST is ":8080"; it must be an address without a port: set RS_PORT=8080`}},
		{"RS_HOST=http://localhost", []string{`RS_HOST is "http://localhost"; it must be an address or a name alone (the port goes in RS_PORT), or unix:/path`}},
		{"RS_HOST=/run/http.sock", []string{`RS_HOST is "/run/http.sock"; it must be an address or a name alone (the port goes in RS_PORT), or unix:/path`}},
		{"RS_HOST=unix:run/http.sock", []string{`RS_HOST is "unix:run/http.sock": what follows unix: must be an absolute path`}},
		{"RS_HOST=::", nil},
		{"RS_HOST=[::1]", nil},
		{"RS_HOST=localhost", nil},
		{"RS_HOST=unix:/run/a:b", nil},

		{"RS_REDIS_URL=redis://:opensesame@db RS_REDISHOST=db", []string{"RS_REDIS_URL and RS_REDISHOST are both set; only one can be, since the URL names host and port"}},
		{"RS_REDIS_URL=redis://db RS_REDISPORT=6379", []string{"RS_REDIS_URL and RS_REDISPORT are both set; only one can be, since the URL names host and port"}},
		{"RS_REDIS_URL_FILE=" + file("url", "redis://db\n") + " RS_REDISPORT=6379", []string{"RS_REDIS_URL and RS_REDISPORT are both set; only one can be, since the URL names host and port"}},
		{"RS_REDIS_URL=redis://db RS_REDISHOST= RS_REDIS_PASSWORD=opensesame", nil},
		{"RS_REDISHOST=db RS_REDISPORT=6380", nil},

		{"RS_STORE=embedded RS_REDIS_URL=redis://:opensesame@db", []string{"RS_STORE is embedded and RS_REDIS_URL is set, which is for Redis; leave out one of them"}},
		{"RS_STORE=embedded RS_REDIS_PASSWORD_FILE=" + file("password", "opensesame"), []string{"RS_STORE is embedded and RS_REDIS_PASSWORD_FILE is set, which is for Redis; leave out one of them"}},
		{"RS_STORE=embedded RS_REDIS_SERVICE_HOST=10.0.0.1 RS_REDIS_PORT=tcp://10.0.0.1:6379 RS_REDISHOST=", nil},

		{"RS_TLS_CERT=/cert", []string{"RS_TLS_CERT is set and RS_TLS_KEY is not; set both the certificate and its key, or neither"}},
		{"RS_TLS_KEY=/key", []string{"RS_TLS_KEY is set and RS_TLS_CERT is not; set both the certificate and its key, or neither"}},
		{"RS_REDIS_URL=rediss://db RS_REDIS_CERT=/cert", []string{"RS_REDIS_CERT is set and RS_REDIS_KEY is not; set both the certificate and its key, or neither"}},
		{"RS_REDIS_URL=rediss://db RS_REDIS_KEY=/key", []string{"RS_REDIS_KEY is set and RS_REDIS_CERT is not; set both the certificate and its key, or neither"}},
		{"RS_TLS_CERT=/none/cert RS_TLS_KEY=/none/key", []string{"RS_TLS_CERT, RS_TLS_KEY: certificate: open /none/cert: no such file or directory"}},

		{"RS_LOG_IDS=hashed", []string{`RS_LOG_IDS is "hashed"; it must be plain or hash`}},
		{"RS_LOG_IDS=hash RS_LOG_IDS_KEY=opensesame", []string{"RS_LOG_IDS_KEY: it must have 32 to 256 characters: openssl rand -hex 32 makes one"}},
		{"RS_LOG_IDS_KEY=opensesame", []string{aLogKey}},
		{"RS_LOG_IDS=plain RS_LOG_IDS_KEY_FILE=" + file("logkey", aKey), []string{aLogKey}},
		{"RS_LOG_IDS=hash RS_LOG_IDS_KEY_FILE=" + file("logkey", aKey+"\n"), nil},
		{"RS_LOG_IDS=hash RS_LOG_IDS_KEY_FILE=" + file("empty", "\n"), []string{"RS_LOG_IDS_KEY_FILE: the file is empty"}},
		{"RS_LOG_IDS=hash RS_LOG_IDS_KEY_FILE=/none/key", []string{"RS_LOG_IDS_KEY_FILE: open /none/key: no such file or directory"}},
		{"RS_LOG_IDS=hash", nil},

		{"RS_API_KEYS=web!rw:opensesame", []string{"RS_API_KEYS: entry 1: its role is unknown; there are !ro (read-only), !web (what a web tier needs) and !auth (auth alone), right before the colon"}},
		{"RS_API_KEYS_FILE=" + file("keys", "\ufeffweb:"+aKey+"\r\n"), nil},
		{"RS_NAMESPACE_FILE=" + file("namespace", "\ufeffmine\r\n"), nil},
		{"RS_NAMESPACE_FILE=" + file("utf-16", "\xff\xfem\x00\r\x00\n\x00"), []string{"RS_NAMESPACE_FILE: " + filepath.Join(dir, "utf-16") + " is in UTF-16; save it as UTF-8"}},
	} {
		config, problems := Parse(Environment(strings.Fields(c.environ)))
		if !slices.Equal(problems, c.want) {
			t.Errorf("%s: it says\n%q, not\n%q", c.environ, problems, c.want)
		}
		if strings.Contains(strings.Join(problems, ""), "opensesame") {
			t.Errorf("%s: it shows a password: %q", c.environ, problems)
		}
		if strings.HasPrefix(c.environ, "RS_NAMESPACE_FILE") && c.want == nil && config.Namespace != "mine" {
			t.Errorf("the namespace is %q", config.Namespace)
		}
	}
}

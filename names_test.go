package main

import (
	"strings"
	"testing"
)

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

func TestInjectedNames(t *testing.T) {
	for name, value := range map[string]string{
		"RS_SERVICE_HOST": "10.0.0.1", "RS_SERVICE_PORT": "3000", "RS_SERVICE_PORT_HTTP": "3000",
		"RS_PORT_3000_TCP": "tcp://10.0.0.1:3000", "RS_PORT_3000_TCP_ADDR": "10.0.0.1", "RS_PORT_3000_TCP_PORT": "3000", "RS_PORT_3000_TCP_PROTO": "tcp",
		"RS_REDIS_SERVICE_HOST": "10.0.0.1", "RS_REDIS_PORT": "tcp://10.0.0.1:6379", "RS_REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
		"RS_NAME": "/web/rs", "RS_ENV_PATH": "/bin",
	} {
		if said := unknownNames(map[string]string{name: value}); said != nil {
			t.Errorf("%s=%s: %q", name, value, said)
		}
		if namesRedis(map[string]string{name: value}) {
			t.Errorf("%s=%s says which Redis", name, value)
		}
	}
	for _, name := range []string{"RS_REDIS_PORT", "RS_SERVICE", "RS_", "RS_HOSTNAME", "RS_REDIS_SEVER_NAME"} {
		if said := unknownNames(map[string]string{name: "1"}); len(said) != 1 {
			t.Errorf("%s: %q", name, said)
		}
	}
}

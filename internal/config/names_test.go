package config

import (
	"testing"
)

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
		if redisVariables(map[string]string{name: value}) != nil {
			t.Errorf("%s=%s says which Redis", name, value)
		}
	}
	for _, name := range []string{"RS_REDIS_PORT", "RS_SERVICE", "RS_", "RS_HOSTNAME", "RS_REDIS_SEVER_NAME"} {
		if said := unknownNames(map[string]string{name: "1"}); len(said) != 1 {
			t.Errorf("%s: %q", name, said)
		}
	}
}

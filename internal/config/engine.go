package config

import (
	"slices"
	"strings"

	"rest-sessions/store/redis"
)

// Engine returns which engine is used, redis or embedded, and why if RS_STORE is auto.
func (c Config) Engine() (name, why string) {
	switch names := redisVariables(c.environ); {
	case c.Store != "auto":
		return c.Store, ""
	case c.Data != "":
		return "embedded", "RS_DATA is set"
	case len(names) > 0:
		return "redis", names[0] + " is set"
	case redis.Answers(c.Redis()):
		return "redis", "one answers at 127.0.0.1:6379"
	}
	return "embedded", "no Redis answers at 127.0.0.1:6379"
}

// Warnings say which variables that name a Redis are not used. The server starts.
func (c Config) Warnings() (warnings []string) {
	named := len(redisVariables(c.environ)) > 0
	switch {
	case c.Data != "" && named:
		warnings = append(warnings, "RS_DATA is set, so sessions are kept there and not in Redis, although an RS_REDIS variable is set too")
	case c.Data == "" && !named && c.Store != "embedded" && c.environ["REDIS_URL"] != "":
		warnings = append(warnings, "REDIS_URL is not read; set RS_REDIS_URL to use the Redis that it names")
	}
	return warnings
}

// NamespaceGiven reports whether the user says which namespace is meant.
func (c Config) NamespaceGiven() bool {
	_, value := c.environ["RS_NAMESPACE"]
	return value || c.environ["RS_NAMESPACE_FILE"] != ""
}

// redisVariables are the names of the variables that say which Redis, in order.
func redisVariables(environ map[string]string) (names []string) {
	for name, value := range environ {
		if strings.HasPrefix(name, "RS_REDIS") && value != "" && !isInjected(name, value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

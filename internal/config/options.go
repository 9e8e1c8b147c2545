package config

import (
	"errors"
	"log"
	"strings"

	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/listener"
	"rest-sessions/store/redis"
)

// Listener says where to listen.
func (c Config) Listener() listener.Options {
	return listener.Options{Host: c.Host, Port: c.Port, Cert: c.TLSCert, Key: c.TLSKey, Logf: log.Printf}
}

const (
	keysName = "RS_API_KEYS"
	keysFile = keysName + "_FILE"
)

// Keys are the API keys, nil if none are named. The errors quote nothing of them. A file
// that is empty is an error and not a server open to all.
func (c Config) Keys() (*apikey.Set, error) {
	if c.APIKeys == "" && c.KeysFile() == "" {
		return nil, nil
	}
	return apikey.Parse(c.APIKeys)
}

// KeysFile is the file of the API keys, "" if they are not in one.
func (c Config) KeysFile() string { return c.environ[keysFile] }

// keysPlace is where the API keys stand: the variable, or that of the file and its name.
func (c Config) keysPlace() string {
	if path := c.KeysFile(); path != "" {
		return keysFile + ": " + path
	}
	return keysName
}

// Redis says how Redis is reached and used.
func (c Config) Redis() redis.Options {
	return redis.Options{
		URL: c.RedisURL, Host: c.RedisHost, Port: c.RedisPort,
		User: c.RedisUser, Password: c.RedisPassword, SentinelUser: c.SentinelUser, SentinelPassword: c.SentinelPassword,
		TLS:       redis.TLS{CA: c.RedisCA, Cert: c.RedisCert, Key: c.RedisKey, ServerName: c.RedisServerName},
		Namespace: c.Namespace, Buckets: c.Buckets, Timeout: c.Timeout, MaxData: c.MaxData,
		Cache: c.Cache, CacheSessions: c.CacheSize,
	}
}

// ReloadRedis is Redis with the files of the variables read again. The error is what is
// wrong with a variable of Redis now.
func (c Config) ReloadRedis() (redis.Options, error) {
	now, problems := Parse(c.environ)
	for _, p := range problems {
		if strings.Contains(p, "RS_REDIS") {
			return redis.Options{}, errors.New(p)
		}
	}
	return now.Redis(), nil
}

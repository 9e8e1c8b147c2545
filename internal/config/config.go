// Package config is the configuration: the variables, what is wrong with them in words,
// and the options of the parts of the server that they make.
package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"rest-sessions/handlers"
	"rest-sessions/handlers/admission"
	"rest-sessions/handlers/sources"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

// Config is what the environment says. The tags are the table that --help prints. The
// value of a variable with the tag secret is shown to nobody, see shown.
type Config struct {
	Port        int           `env:"RS_PORT" envDefault:"3000" help:"port to listen on, 0 for any free one"`
	Host        string        `env:"RS_HOST" help:"address to listen on, without a port; or unix:/path for a socket; default: all interfaces"`
	RedisHost   string        `env:"RS_REDISHOST" secret:"host" envDefault:"127.0.0.1" help:"host of Redis"`
	RedisPort   int           `env:"RS_REDISPORT" envDefault:"6379" help:"port of Redis"`
	RedisURL    string        `env:"RS_REDIS_URL" secret:"url" help:"instead of the two above: redis://user:password@host:port/db, rediss:// for TLS, unix:///path, redis://host,host for a cluster, redis://host,host/db?master_set=name for Sentinels"`
	Namespace   string        `env:"RS_NAMESPACE" envDefault:"drs" help:"prefix of all keys in Redis"`
	LogLevel    string        `env:"RS_LOGLEVEL" envDefault:"dev" help:"format of the request log: combined, common, dev, short, tiny or json; or none"`
	LogIDs      string        `env:"RS_LOG_IDS" envDefault:"plain" help:"users' ids and addresses in the log: plain, or hash for pseudonyms"`
	LogIDsKey   string        `env:"RS_LOG_IDS_KEY" secret:"true" help:"secret that the pseudonyms of RS_LOG_IDS=hash are made with, the same on all servers; default: a random one at each start"`
	Store       string        `env:"RS_STORE" envDefault:"auto" help:"redis; embedded (this process' memory); or auto: embedded with RS_DATA, else redis if an RS_REDIS variable is set or one answers at 127.0.0.1:6379, else embedded"`
	Data        string        `env:"RS_DATA" help:"directory in which the embedded engine keeps its sessions; default: in memory only"`
	Wipe        int           `env:"RS_WIPE" envDefault:"600" help:"seconds between wipes of expired sessions, 10 to 86400; 0 for off (with Redis only)"`
	Timeout     time.Duration `env:"RS_TIMEOUT" envDefault:"1s" help:"longest wait for the store, 10ms to 1m; past it the answer is 503"`
	MaxInFlight int           `env:"RS_MAX_INFLIGHT" help:"requests in flight to the store; past it, or past a quarter of it if they stand in a queue, the answer is 503"`
	MaxLists    int           `env:"RS_MAX_LISTS" help:"lists (soapp, soid) in flight, each until its client has read it; past it the answer is 503"`
	MaxData     int           `env:"RS_MAX_DATA" help:"bytes of data in one session, 1024 to 1048576; past it create and set answer 413"`
	Cookie      string        `env:"RS_COOKIE" help:"cookie that may hold the token, if the URL has - in its place and the request has no header X-Session-Token"`
	APIKeys     string        `env:"RS_API_KEYS" secret:"keys" help:"API keys that requests need: name:key or name@app,app:key, with a role (!web, !ro, !auth) before the colon for some routes only; default: no key is needed"`
	Console     bool          `env:"RS_CONSOLE" envDefault:"true" help:"whether there is /console, a web page that shows the server and its sessions"`
	MissWarn    int           `env:"RS_MISS_WARN" help:"log a line if one address asks for so many tokens without a session within a minute; 0 for never"`
	Cache       time.Duration `env:"RS_CACHE" help:"with Redis: how long after an answer of Redis a get may be answered from this process' memory, 100ms to 10s; default: 0, never"`
	CacheSize   int           `env:"RS_CACHE_SESSIONS" help:"with RS_CACHE: how many sessions are held in memory, 1000 to 10000000"`
	Buckets     int           `env:"RS_BUCKETS" help:"buckets per app on a Redis Cluster, a power of two up to 1024; a single Redis has none"`

	RedisUser        string `env:"RS_REDIS_USER" help:"user for Redis, if RS_REDIS_URL has none"`
	RedisPassword    string `env:"RS_REDIS_PASSWORD" secret:"true" help:"password for Redis, if RS_REDIS_URL has none"`
	SentinelUser     string `env:"RS_REDIS_SENTINEL_USER" help:"user for the Sentinels, if they ask for one"`
	SentinelPassword string `env:"RS_REDIS_SENTINEL_PASSWORD" secret:"true" help:"password for the Sentinels, if they ask for one"`
	RedisCA          string `env:"RS_REDIS_CA" path:"true" help:"file (PEM) of the certificates that Redis' certificate is checked against; default: the system's"`
	RedisCert        string `env:"RS_REDIS_CERT" path:"true" help:"file (PEM) of the client certificate for Redis"`
	RedisKey         string `env:"RS_REDIS_KEY" path:"true" help:"file (PEM) of the client certificate's key"`
	RedisServerName  string `env:"RS_REDIS_SERVER_NAME" help:"name that Redis' certificate must have; default: the host"`
	TLSCert          string `env:"RS_TLS_CERT" path:"true" help:"file (PEM) of the certificate for https, with its chain; SIGHUP reads it again"`
	TLSKey           string `env:"RS_TLS_KEY" path:"true" help:"file (PEM) of that certificate's key"`

	environ map[string]string // what it was parsed from
}

// defaults are those of the parts of the server. The others are in the table.
var defaults = Config{
	MaxInFlight: admission.DefaultMax, MaxLists: handlers.DefaultMaxLists, MissWarn: sources.DefaultMissWarn,
	MaxData: store.DefaultMaxData, Cookie: handlers.DefaultCookie, Buckets: redis.DefaultBuckets, CacheSize: redis.DefaultCacheSessions,
}

// variable is one row of the table.
type variable struct {
	field, name, def, help string
	path                   bool // the value is a file's name
	secret                 string
}

// variables are the rows of the table, in order.
func variables() (rows []variable) {
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "" {
			def := f.Tag.Get("envDefault")
			if of := reflect.ValueOf(defaults).FieldByIndex(f.Index); !of.IsZero() {
				def = fmt.Sprint(of)
			}
			rows = append(rows, variable{f.Name, name, def, f.Tag.Get("help"), f.Tag.Get("path") == "true", f.Tag.Get("secret")})
		}
	}
	return rows
}

// Names are the names of all variables, in the order of the table.
func Names() (names []string) {
	for _, v := range variables() {
		names = append(names, v.name)
	}
	return names
}

// Parse reads the configuration and returns everything that is wrong with it, a
// sentence each.
func Parse(environ map[string]string) (c Config, problems []string) {
	c = defaults
	c.environ = environ
	given, problems := readValues(environ)
	values, bad := given.values, given.bad
	err := env.ParseWithOptions(&c, env.Options{Environment: values})
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, err := range all.Errors {
			name, problem := inWords(err, values)
			bad[name] = true
			problems = append(problems, problem)
		}
	} else if err != nil {
		problems = append(problems, err.Error())
	}

	check := func(name string, ok bool, must string) {
		if !ok && !bad[name] {
			problems = append(problems, fmt.Sprintf("%s is %q; it must be %s", name, values[name], must))
		}
	}
	if strings.HasPrefix(environ["RS_PORT"], "tcp://") {
		bad["RS_PORT"] = true
		problems = slices.DeleteFunc(problems, func(p string) bool { return strings.HasPrefix(p, "RS_PORT is ") })
		problems = append(problems, fmt.Sprintf("RS_PORT is %q; a Kubernetes service named rs sets this: set enableServiceLinks: false in the pod's spec, or give the service another name", environ["RS_PORT"]))
	}
	check("RS_PORT", 0 <= c.Port && c.Port <= 65535, "a port, 0 to 65535")
	check("RS_REDISPORT", 1 <= c.RedisPort && c.RedisPort <= 65535, "a port, 1 to 65535")
	check("RS_NAMESPACE", c.Namespace != "" && !strings.ContainsAny(c.Namespace, ":{} \t\r\n"), "a name without colons, braces and spaces")
	check("RS_LOGLEVEL", c.LogLevel == "none" || handlers.IsLogFormat(c.LogLevel), "one of "+strings.Join(handlers.LogFormats(), ", ")+", none")
	check("RS_LOG_IDS", slices.Contains([]string{"plain", "hash"}, c.LogIDs), "plain or hash")
	problems = append(problems, c.pseudonymProblems()...)
	check("RS_STORE", slices.Contains([]string{"auto", "redis", "embedded"}, c.Store), "auto, redis or embedded")
	check("RS_WIPE", c.Wipe == 0 || 10 <= c.Wipe && c.Wipe <= 86_400, "a number of seconds, 10 to 86400, or 0 for off")
	check("RS_WIPE", c.Wipe != 0 || c.Store != "embedded" && c.Data == "", "at least 10 with RS_STORE=embedded or RS_DATA: nothing else would free the memory of expired sessions")
	if c.Data != "" && c.Store == "redis" {
		problems = append(problems, "RS_DATA is set and RS_STORE is redis; RS_DATA is for the embedded engine only")
	}
	check("RS_TIMEOUT", 10*time.Millisecond <= c.Timeout && c.Timeout <= time.Minute, "a duration from 10ms to 1m, as in 500ms or 2s")
	check("RS_BUCKETS", 1 <= c.Buckets && c.Buckets <= store.Buckets && c.Buckets&(c.Buckets-1) == 0, "a power of two, 1 to 1024")
	check("RS_MAX_INFLIGHT", 1 <= c.MaxInFlight && c.MaxInFlight <= 1_000_000, "a number, 1 to 1000000")
	check("RS_MAX_LISTS", 1 <= c.MaxLists && c.MaxLists <= 1_000_000, "a number, 1 to 1000000")
	check("RS_MAX_DATA", store.MinMaxData <= c.MaxData && c.MaxData <= store.MaxMaxData, "a number of bytes, 1024 to 1048576")
	check("RS_CACHE", c.Cache == 0 || 100*time.Millisecond <= c.Cache && c.Cache <= 10*time.Second, "a duration from 100ms to 10s, or 0 for off")
	if c.Cache != 0 && (c.Data != "" || c.Store == "embedded") {
		problems = append(problems, "RS_CACHE is set, which is for Redis, and RS_DATA or RS_STORE=embedded too; leave out RS_CACHE: the embedded engine answers all reads from memory")
	}
	check("RS_CACHE_SESSIONS", 1000 <= c.CacheSize && c.CacheSize <= 10_000_000, "a number, 1000 to 10000000")
	check("RS_COOKIE", handlers.ValidCookieName(c.Cookie), `a cookie's name: visible ASCII without ( ) < > @ , ; : \ " / [ ] ? = { }`)
	check("RS_MISS_WARN", 0 <= c.MissWarn && c.MissWarn <= 1_000_000_000, "a number, 0 to 1000000000")
	if !bad[keysFile] {
		if _, err := c.Keys(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				problems = append(problems, c.keysPlace()+": "+line)
			}
		}
	}
	problems = append(problems, conflicts(values, environ)...)
	problems = append(problems, hostProblems(c.Host, c.RedisHost)...)
	place, certificate, redis := c.Listener(), c.Listener(), c.Redis()
	place.Cert, place.Key, certificate.Host = "", "", ""
	// Of half a pair conflicts has said all.
	if certificate.Cert == "" || certificate.Key == "" {
		certificate.Cert, certificate.Key = "", ""
	}
	if redis.TLS.Cert == "" || redis.TLS.Key == "" {
		redis.TLS.Cert, redis.TLS.Key = "", ""
	}
	for _, err := range place.Check() {
		problems = append(problems, fmt.Sprintf("RS_HOST is %q: %v", c.Host, err))
	}
	for _, err := range certificate.Check() {
		problems = append(problems, fmt.Sprintf("RS_TLS_CERT, RS_TLS_KEY: %v", err))
	}
	for _, err := range redis.Check() {
		problems = append(problems, fmt.Sprintf("RS_REDIS_URL and the variables that go with it: %v", err))
	}
	return c, append(problems, unknownNames(environ)...)
}

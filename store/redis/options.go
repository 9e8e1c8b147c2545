package redis

import (
	"fmt"
	"time"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// DefaultBuckets is how many buckets an app is split into on a Redis Cluster.
const DefaultBuckets = layout.DefaultBuckets

// TLS says how to know Redis, and how to be known by it.
type TLS = wire.TLS

// Options says which Redis, and how to use it.
type Options struct {
	// URL is where Redis is, in the forms of "Reaching Redis" in docs/redis.md: one server, a
	// node of a cluster or several, Sentinels, or a Unix socket. If it is empty, Host and
	// Port say where.
	URL  string
	Host string
	Port int
	// User and Password are for URLs without them. So are SentinelUser and
	// SentinelPassword, which the Sentinels ask for, not Redis.
	User, Password                 string
	SentinelUser, SentinelPassword string
	// TLS needs a URL that begins with rediss://.
	TLS TLS
	// Namespace is what all keys begin with, without the colon.
	Namespace string
	// Buckets is how many buckets an app is split into on a Redis Cluster where the
	// namespace holds nothing yet, a power of two up to store.Buckets; 0 means
	// DefaultBuckets.
	Buckets int
	// MaxData is how many bytes of data a session may hold; 0 means
	// store.DefaultMaxData.
	MaxData int
	// Cache is how long after an answer of Redis a read may be answered from memory; 0 for
	// never. CacheSessions is how many sessions are held for that; 0 means
	// DefaultCacheSessions.
	Cache         time.Duration
	CacheSessions int
	// ReadOnly says that no session will be made: then nothing at all is written, and a
	// replica will do.
	ReadOnly bool
	// Reload returns the options as they are now, for secrets in files that change: it
	// is called for each connection. nil means that they stay; an error, that those
	// before go on.
	Reload func() (Options, error)
	// Timeout bounds each round trip, waiting for a free place included.
	Timeout time.Duration
	// DialTimeout bounds connecting, as Timeout does; 0 means half a second. Anything else is
	// for tests.
	DialTimeout time.Duration
	// Logf gets a line when Redis becomes unreachable and when it is back.
	Logf func(format string, args ...any)
	// Observer may be nil.
	Observer Observer
	// Clock is the Lua expression that scripts ask for the time; empty means
	// redis.call('TIME'). Anything else is for tests.
	Clock string

	nearClock func() time.Duration // for tests: what near answers age by
}

// DefaultCacheSessions is how many sessions are held to be answered near.
const DefaultCacheSessions = 100_000

// Check returns what is wrong with the options, as far as that can be said without
// asking Redis. No error quotes a password.
func (o Options) Check() (wrong []error) { return o.wire().Check() }

// Place says which sessions the options are about, for people: where Redis is, the
// database and the namespace. It shows no password. The options are right (see Check).
func (o Options) Place() string {
	return fmt.Sprintf("%s, namespace %s", o.wire().Place(), o.Namespace)
}

// HidePasswords returns a URL, or a list, as Options.URL has it, without passwords. Of a
// text that is none it shows nothing: a password may be in any part of that.
func HidePasswords(url string) string { return wire.HidePasswords(url) }

// wire returns the options that say how Redis is reached.
func (o Options) wire() wire.Options {
	w := wire.Options{
		URL: o.URL, Host: o.Host, Port: o.Port,
		User: o.User, Password: o.Password, SentinelUser: o.SentinelUser, SentinelPassword: o.SentinelPassword,
		TLS: o.TLS, Timeout: o.Timeout, DialTimeout: o.DialTimeout, ReadOnly: o.ReadOnly,
		Keys: layout.Keyspace{NS: o.Namespace + ":"}, Logf: o.Logf, Observer: o.Observer,
	}
	if w.Logf == nil {
		w.Logf = func(string, ...any) {}
	}
	if w.Observer == nil {
		w.Observer = unobserved{}
	}
	if o.Reload != nil {
		w.Reload = func() (wire.Options, error) {
			now, err := o.Reload()
			return now.wire(), err
		}
	}
	return w
}

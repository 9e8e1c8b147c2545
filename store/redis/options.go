package redis

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Options says which Redis, and how to use it.
type Options struct {
	// URL is where Redis is:
	//
	//	redis://user:password@host:port/db      one server, or any node of a cluster
	//	redis://host:port,host:port             nodes of a cluster
	//	redis://host:port,host:port/db?master_set=name    Sentinels
	//	unix://user:password@/path?db=n         a Unix socket
	//
	// with rediss:// for TLS. A list of whole URLs, or of hosts alone, does too. When
	// it is empty, Host and Port say where.
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
	// ReadOnly says that no session will be made: then nothing at all is written, and a
	// replica will do.
	ReadOnly bool
	// Reload returns the options as they are now, for secrets in files that change: it
	// is called for each connection. nil means that they stay; an error, that those
	// before go on.
	Reload func() (Options, error)
	// Timeout bounds each round trip, waiting for a free place included.
	Timeout time.Duration
	// Logf gets a line when Redis becomes unreachable and when it is back.
	Logf func(format string, args ...any)
	// Observer may be nil.
	Observer Observer
}

// Check returns what is wrong with the options, as far as that can be said without
// asking Redis. No error quotes a password.
func (o Options) Check() (wrong []error) {
	a, err := o.address()
	if err != nil {
		wrong = append(wrong, err)
	} else if !a.tls && o.TLS != (TLS{}) {
		wrong = append(wrong, errors.New("certificates and a server's name need a URL that begins with rediss://"))
	}
	if _, err := o.TLS.config(); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}

// Place says which sessions the options are about, for people: where Redis is, the
// database and the namespace. It shows no password. The options are right (see Check).
func (o Options) Place() string {
	option, err := clientOption(o)
	if err != nil {
		return err.Error()
	}
	database := ""
	if option.SelectDB != 0 {
		database = fmt.Sprintf(", database %d", option.SelectDB)
	}
	return fmt.Sprintf("%s%s, namespace %s", describe(option), database, o.Namespace)
}

// dialTimeout bounds connecting. While one caller dials, the others wait for it
// whatever their contexts say, so it is short.
const dialTimeout = 500 * time.Millisecond

// sentinelRefresh is how often the master is asked for again, besides when a
// Sentinel tells of a new one: that message may be lost with the Sentinel.
const sentinelRefresh = 500 * time.Millisecond

// address returns where Redis is and who asks.
func (o Options) address() (address, error) {
	if o.URL == "" {
		a := address{hosts: []string{net.JoinHostPort(o.Host, strconv.Itoa(o.Port))}, user: o.User, password: o.Password}
		if o.SentinelUser+o.SentinelPassword != "" {
			return a, errors.New("a Sentinel's user and password need a URL with master_set")
		}
		return a, nil
	}
	a, err := parseAddress(o.URL)
	if err != nil {
		return a, err
	}
	switch {
	case a.user != "" && o.User != "":
		return a, errors.New("the user is given twice, in the URL and in a variable")
	case a.password != "" && o.Password != "":
		return a, errors.New("the password is given twice, in the URL and in a variable")
	case a.sentinelUser != "" && o.SentinelUser != "", a.sentinelPassword != "" && o.SentinelPassword != "":
		return a, errors.New("the user or password of the Sentinels is given twice, in the URL and in a variable")
	case a.master == "" && o.SentinelUser+o.SentinelPassword != "":
		return a, errors.New("a Sentinel's user and password need a URL with master_set")
	}
	a.user, a.password = cmp.Or(a.user, o.User), cmp.Or(a.password, o.Password)
	a.sentinelUser, a.sentinelPassword = cmp.Or(a.sentinelUser, o.SentinelUser), cmp.Or(a.sentinelPassword, o.SentinelPassword)
	return a, nil
}

// clientOption is what all our clients of rueidis have in common.
func clientOption(o Options) (rueidis.ClientOption, error) {
	if err := errors.Join(o.Check()...); err != nil {
		return rueidis.ClientOption{}, err
	}
	a, err := o.address()
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	option := rueidis.ClientOption{InitAddress: a.hosts, Username: a.user, Password: a.password, SelectDB: a.db}
	if a.unix {
		option.DialCtxFn = dialUnix
	}
	if a.tls {
		if option.TLSConfig, err = o.TLS.config(); err != nil {
			return rueidis.ClientOption{}, err
		}
		option.TLSConfig.InsecureSkipVerify = a.skipVerify
	}
	// Without it a caller whose context ends fails the calls of others.
	option.AlwaysPipelining = true
	option.DisableCache = true
	// A resent EVALSHA would count a read or a write twice.
	option.DisableRetry = true
	option.ConnLifetime = 0
	option.Dialer.Timeout = min(dialTimeout, o.Timeout)
	// A connection is given up when a ping, sent after KeepAlive of silence, has
	// no answer within ConnWriteTimeout.
	option.Dialer.KeepAlive = max(o.Timeout/2, 50*time.Millisecond)
	option.ConnWriteTimeout = max(o.Timeout, 100*time.Millisecond)
	option.ClientName = "rest-sessions"
	// What else there is to tune stays as it is, since nothing was outside the noise of
	// two cores (9 pairs, medians, get; set; 64 clients): PipelineMultiplex -1 gave 0.96;
	// 0.94 of the requests a second, MaxFlushDelay of 20 us 1.02; 1.00, buffers of 64 KiB
	// 1.02; 0.95 (they are half a megabyte), and GOGC=400 0.96; 1.05. A lane has at most
	// two flights on their way, so there is little to gather.
	if a.master != "" {
		option.Sentinel = rueidis.SentinelOption{
			MasterSet: a.master, Username: a.sentinelUser, Password: a.sentinelPassword, ClientName: option.ClientName,
			Dialer: option.Dialer, TLSConfig: option.TLSConfig, TopologyRefreshInterval: sentinelRefresh,
		}
	}
	return option, nil
}

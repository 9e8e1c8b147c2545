package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
)

// Options says which Redis, and how to use it. redis.Options explains those that it
// has, too.
type Options struct {
	URL                            string
	Host                           string
	Port                           int
	User, Password                 string
	SentinelUser, SentinelPassword string
	TLS                            TLS
	Timeout                        time.Duration
	DialTimeout                    time.Duration
	ReadOnly                       bool
	Reload                         func() (Options, error)
	// Keys is the namespace of all keys.
	Keys layout.Keyspace
	// Logf and Observer must be set.
	Logf     func(format string, args ...any)
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

// Place says where Redis is, and the database, for people. It shows no password. The
// options are right (see Check).
func (o Options) Place() string {
	option, err := clientOption(o)
	if err != nil {
		return err.Error()
	}
	database := ""
	if option.SelectDB != 0 {
		database = fmt.Sprintf(", database %d", option.SelectDB)
	}
	return describe(option) + database
}

// dialTimeout bounds connecting. While one caller dials, the others wait for it
// whatever their contexts say, so it is short.
const dialTimeout = 500 * time.Millisecond

// connBuffer is the size of the two buffers of a connection, in bytes. rueidis' own, half
// a megabyte, would be held by each connection of the batches.
const connBuffer = 64 << 10

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
	option.DialCtxFn = dial
	if a.tls {
		if option.TLSConfig, err = o.TLS.config(); err != nil {
			return rueidis.ClientOption{}, err
		}
		option.TLSConfig.InsecureSkipVerify = a.skipVerify
	}
	// A batch has a connection to itself; what goes singly shares one: see Command.build.
	option.DisableAutoPipelining = true
	// That one is read in the background, as nothing else makes it be: so it is known at once
	// that it was closed, and a call that gives up does not close it for others.
	// AlwaysPipelining has no effect beside DisableAutoPipelining.
	option.OnInvalidations = func([]rueidis.RedisMessage) {}
	option.BlockingPoolSize = maxBatchConns
	option.ReadBufferEachConn, option.WriteBufferEachConn = connBuffer, connBuffer
	option.DisableCache = true
	// A resent EVALSHA would count a read or a write twice.
	option.DisableRetry = true
	option.ConnLifetime = 0
	option.Dialer.Timeout = min(cmp.Or(o.DialTimeout, dialTimeout), o.Timeout)
	// A connection is given up when a ping, sent after KeepAlive of silence, has
	// no answer within ConnWriteTimeout.
	option.Dialer.KeepAlive = max(o.Timeout/2, 50*time.Millisecond)
	option.ConnWriteTimeout = max(o.Timeout, 100*time.Millisecond)
	option.ClientName = "rest-sessions"
	// What else there is to tune stays as it is, since nothing was outside the noise of
	// two cores (9 pairs, medians, get; set; 64 clients): PipelineMultiplex -1 gave 0.96;
	// 0.94 of the requests a second, MaxFlushDelay of 20 us 1.02; 1.00, buffers of half a
	// megabyte 0.98; 1.05, and GOGC=400 0.96; 1.05. A Batcher has at most
	// two batches in flight, so there is little to gather.
	if a.master != "" {
		option.Sentinel = rueidis.SentinelOption{
			MasterSet: a.master, Username: a.sentinelUser, Password: a.sentinelPassword, ClientName: option.ClientName,
			Dialer: option.Dialer, TLSConfig: option.TLSConfig, TopologyRefreshInterval: sentinelRefresh,
		}
	}
	return option, nil
}

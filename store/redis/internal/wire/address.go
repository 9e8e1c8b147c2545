package wire

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// address is what a URL says. Its spelling is that of rueidis.ParseURL, which is
// not used: it takes an option that it does not know for none, and an addr
// without a port for the first host.
type address struct {
	// hosts are host:port, or one path if unix is set.
	hosts          []string
	unix           bool
	tls            bool
	skipVerify     bool // any certificate of the server is good
	user, password string
	db             int
	// master names the master that Sentinels at hosts watch.
	master                         string
	sentinelUser, sentinelPassword string
}

// parseAddress reads a URL, a list of URLs that differ only in their hosts, or a
// list of hosts. Its errors quote nothing that could be part of a password.
func parseAddress(text string) (address, error) {
	var a address
	var all urlParts
	for i, text := range splitURLs(strings.TrimSpace(text)) {
		p, err := cutURL(text)
		if err != nil {
			return a, err
		}
		if i == 0 {
			all = p
		} else if err := all.join(p); err != nil {
			return a, err
		}
	}
	switch all.scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		a.tls = true
	case "unix":
		a.unix = true
	default:
		return a, errors.New("the URL must begin with redis://, rediss:// or unix://")
	}
	if all.user != nil {
		a.user = all.user.Username()
		a.password, _ = all.user.Password()
	}
	database := strings.Trim(all.path, "/")
	if a.unix {
		database = ""
	}
	a.master = all.query.Get("master_set")
	// The hosts first: a password with an unescaped / or ? shows there.
	if err := a.parseHosts(append(all.hosts, all.query["addr"]...), all.path); err != nil {
		return a, err
	}
	return a, a.parseOptions(all.query, database)
}

// parseOptions reads what stands behind the question mark.
func (a *address) parseOptions(query url.Values, database string) error {
	for name, values := range query {
		switch name {
		case "addr":
			continue
		case "master_set":
		case "db":
			if database != "" && database != values[0] {
				return errors.New("the URL names two databases")
			}
			database = values[0]
		case "sentinel_user":
			a.sentinelUser = values[0]
		case "sentinel_password":
			a.sentinelPassword = values[0]
		case "skip_verify":
			var err error
			if a.skipVerify, err = strconv.ParseBool(values[0]); err != nil {
				return errors.New("skip_verify in the URL must be true or false")
			}
		default:
			return errors.New("the URL has an unknown option; the options are addr, db, master_set, sentinel_user, sentinel_password, skip_verify")
		}
		if len(values) > 1 {
			return fmt.Errorf("%s is in the URL twice", name)
		}
	}
	if database != "" {
		var err error
		if a.db, err = strconv.Atoi(database); err != nil || a.db < 0 {
			return errors.New("the database in the URL must be a number, as in redis://host:port/0")
		}
	}
	switch {
	case a.skipVerify && !a.tls:
		return errors.New("skip_verify needs a URL that begins with rediss://")
	case a.master == "" && a.sentinelUser+a.sentinelPassword != "":
		return errors.New("a Sentinel's user and password need master_set in the URL")
	case a.master == "" && query.Has("master_set"):
		return errors.New("master_set in the URL is empty")
	case len(a.hosts) > 1 && a.master == "" && a.db != 0:
		return errors.New("a Redis Cluster has only database 0")
	case a.master != "" && a.unix:
		return errors.New("a Unix socket cannot lead to Sentinels")
	}
	return nil
}

// parseHosts sets hosts, with the ports that were left out.
func (a *address) parseHosts(hosts []string, path string) error {
	if a.unix {
		if len(hosts) != 1 || hosts[0] != "" || path == "" {
			return errors.New("the URL of a Unix socket must be unix:///path, or unix://user:password@/path, and there can be only one")
		}
		a.hosts = []string{path}
		return nil
	}
	port := redisPort
	if a.master != "" {
		port = sentinelPort
	}
	for _, host := range hosts {
		if host == "" && len(hosts) == 1 {
			host = "localhost"
		}
		complete, err := withPort(strings.TrimSpace(host), port)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, complete)
	}
	return nil
}

// errHost does not quote what it is about: a password with an unescaped / or @
// would look like a host.
var errHost = errors.New("a host in the URL is not of the form host, host:port or [IPv6]:port " +
	"(in a user or a password, write / as %2F, ? as %3F, # as %23, @ as %40, % as %25)")

// withPort completes host or host:port.
func withPort(text, port string) (string, error) {
	host := text
	if strings.Contains(strings.TrimPrefix(text, "["), ":") && !strings.HasSuffix(text, "]") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errHost
		}
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" && strings.HasPrefix(text, ":") {
		host = "localhost"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, "@[] ") {
		return "", errHost
	}
	return net.JoinHostPort(host, port), nil
}

// urlParts is a URL taken apart; it may have many hosts.
type urlParts struct {
	scheme string
	user   *url.Userinfo
	hosts  []string
	path   string
	query  url.Values
}

var nextURL = regexp.MustCompile(`,\s*[a-z]+://`)

// splitURLs cuts a list before each scheme, so that a comma between hosts, or one
// in a password, does not end a URL.
func splitURLs(text string) []string {
	var urls []string
	for {
		at := nextURL.FindStringIndex(text)
		if at == nil {
			return append(urls, text)
		}
		urls = append(urls, text[:at[0]])
		text = strings.TrimLeft(text[at[0]+1:], " \t")
	}
}

// cutURL takes one URL apart; without a scheme it is a list of hosts.
func cutURL(text string) (p urlParts, err error) {
	if path, ok := strings.CutPrefix(text, "unix:/"); ok && !strings.HasPrefix(path, "/") {
		text = "unix:///" + path
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "redis", text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	hosts, user := authority, ""
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, hosts = authority[:at+1], authority[at+1:]
	}
	// The hosts apart, the rest is an ordinary URL.
	u, err := url.Parse("redis://" + user + "host" + rest[end:])
	if err != nil {
		return p, errors.New("it is not a URL of the form redis://user:password@host:port/db " +
			"(in a user or a password, write what is not a letter or a digit as % and two hexadecimal digits)")
	}
	if u.Fragment != "" {
		return p, errHost
	}
	p = urlParts{scheme: scheme, user: u.User, hosts: strings.Split(hosts, ","), path: u.Path}
	if p.query, err = url.ParseQuery(u.RawQuery); err != nil {
		return p, errors.New("what follows the ? in the URL is not of the form name=value&name=value")
	}
	return p, nil
}

// join adds the hosts of another URL, which may repeat or leave out the rest.
func (p *urlParts) join(q urlParts) error {
	differ := p.scheme != q.scheme
	if p.user == nil {
		p.user = q.user
	} else if q.user != nil {
		differ = differ || p.user.String() != q.user.String()
	}
	if p.path == "" {
		p.path = q.path
	} else if q.path != "" {
		differ = differ || p.path != q.path
	}
	if len(p.query) == 0 {
		p.query = q.query
	} else if len(q.query) > 0 {
		differ = differ || p.query.Encode() != q.query.Encode()
	}
	if differ {
		return errors.New("the URLs in the list may differ in their hosts only")
	}
	p.hosts = append(p.hosts, q.hosts...)
	return nil
}

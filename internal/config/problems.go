package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// conflicts returns what is wrong with variables that are set together, or of which only
// one is set. values are those that are set.
func conflicts(values, environ map[string]string) (problems []string) {
	for _, name := range []string{"RS_REDISHOST", "RS_REDISPORT"} {
		if values["RS_REDIS_URL"] != "" && values[name] != "" {
			problems = append(problems, fmt.Sprintf("RS_REDIS_URL and %s are both set; only one can be, since the URL names host and port", name))
		}
	}
	for _, pair := range certificates {
		for i, name := range pair {
			if other := pair[1-i]; values[name] != "" && values[other] == "" && environ[other] == "" {
				problems = append(problems, fmt.Sprintf("%s is set and %s is not; set both the certificate and its key, or neither", name, other))
			}
		}
	}
	if values["RS_STORE"] == "embedded" {
		for _, name := range redisVariables(environ) {
			problems = append(problems, fmt.Sprintf("RS_STORE is embedded and %s is set, which is for Redis; leave out one of them", name))
		}
	}
	return problems
}

// certificates are the variables of a certificate and its key.
var certificates = [][2]string{{"RS_TLS_CERT", "RS_TLS_KEY"}, {"RS_REDIS_CERT", "RS_REDIS_KEY"}}

// hostProblems returns what is wrong with hosts. RS_REDISHOST is quoted only where it
// cannot hold a password.
func hostProblems(host, redisHost string) (problems []string) {
	if name, port, ok := cutPort(host); ok {
		set := "RS_PORT=" + port
		if name != "" {
			set = "RS_HOST=" + name + " and " + set
		}
		problems = append(problems, fmt.Sprintf("RS_HOST is %q; it must be an address without a port: set %s", host, set))
	} else if !strings.HasPrefix(host, "unix:") && !isHost(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")) {
		problems = append(problems, fmt.Sprintf("RS_HOST is %q; it must be an address or a name alone (the port goes in RS_PORT), or unix:/path", host))
	}
	if _, _, ok := cutPort(redisHost); ok {
		problems = append(problems, fmt.Sprintf("RS_REDISHOST is %q; it must be a host without a port: put the port in RS_REDISPORT, or set RS_REDIS_URL=redis://%s instead", redisHost, redisHost))
	} else if strings.Contains(redisHost, "://") {
		problems = append(problems, "RS_REDISHOST holds a URL; it must be a host alone: put the URL in RS_REDIS_URL instead")
	} else if !isHost(redisHost) {
		problems = append(problems, "RS_REDISHOST must be a host alone: put the port in RS_REDISPORT, or use RS_REDIS_URL instead")
	}
	return problems
}

// cutPort cuts host:port and reports whether text is of that form.
func cutPort(text string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host != "" && !isHost(host) {
		return "", "", false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return host, port, err == nil
}

// isHost reports whether text can be an address, or a name, without a port.
func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || !strings.ContainsAny(text, ":/@,?#[] \t\r\n")
}

// CannotListen says of an error of listener.Open which variable to change.
func (c Config) CannotListen(err error) error {
	if path, socket := strings.CutPrefix(c.Host, "unix:"); socket {
		switch dir := filepath.Dir(path); {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("RS_HOST is %s, and there is no directory %s: make it, or set another path (%w)", c.Host, dir, err)
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("RS_HOST is %s, and user %d may not make a socket in %s: let it write there, or set another path (%w)", c.Host, os.Geteuid(), dir, err)
		}
		return fmt.Errorf("RS_HOST is %s: %w", c.Host, err)
	}
	address := net.JoinHostPort(strings.Trim(c.Host, "[]"), strconv.Itoa(c.Port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("RS_PORT is %d, and another program listens on %s already: end that, or set another RS_PORT (%w)", c.Port, address, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("RS_PORT is %d, and user %d may not listen on %s: set an RS_PORT of 1024 or more (%w)", c.Port, os.Geteuid(), address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("RS_HOST is %q, and this machine has no such address: set it to one that it has, or leave it out for all (%w)", c.Host, err)
	}
	return fmt.Errorf("RS_HOST is %q and RS_PORT is %d: %w", c.Host, c.Port, err)
}

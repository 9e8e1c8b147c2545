//go:build unix

package redistest

import (
	"errors"
	"net"
	"os"
	"strconv"
	"testing"

	"rest-sessions/internal/testcert"
)

// StartTLS is Start with a second port that speaks TLS and asks for a client's
// certificate, and returns the address of that. The server's own is for name, a host
// name or an address. Without TLS in the redis-server in PATH the test fails.
func StartTLS(tb testing.TB, authority *testcert.Authority, name string, args ...string) (s *Server, addr string) {
	tb.Helper()
	cert, key := authority.Issue("redis", name)
	var err error
	for range portAttempts {
		var port int
		if port, err = FreePort(); err != nil {
			break
		}
		s, err = Run(append([]string{"--tls-port", strconv.Itoa(port), "--tls-cert-file", cert, "--tls-key-file", key,
			"--tls-ca-cert-file", authority.CA, "--tls-auth-clients", "yes"}, args...)...)
		if err == nil {
			tb.Cleanup(s.Close)
			return s, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	if errors.Is(err, ErrNoServer) && os.Getenv(RequireEnv) != "1" {
		tb.Skipf("%v: this test needs one (%s=1 makes this a failure)", err, RequireEnv)
	}
	tb.Fatal(err)
	return nil, ""
}

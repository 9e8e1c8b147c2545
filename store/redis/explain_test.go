//go:build unix

package redis

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/internal/testcert"
	"rest-sessions/store"
)

// greet serves what says a greeting and nothing else.
func greet(t *testing.T, greeting string) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.WriteString(conn, greeting)
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// TestExplain connects to servers that cannot be used as they are, and wants the log to
// say what to change, without a password.
func TestExplain(t *testing.T) {
	plain, locked := redistest.Start(t), redistest.Start(t, "--requirepass", "secret")
	authority, strange := testcert.New(t), testcert.New(t)
	cert, key := authority.Issue("client", "client")
	strangeCert, strangeKey := strange.Issue("client", "client")
	_, secure := redistest.StartTLS(t, authority, "127.0.0.1")
	website := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(website.Close)
	web, ssh := website.Listener.Addr().String(), greet(t, "SSH-2.0-OpenSSH_9.2\r\n")
	good := TLS{CA: authority.CA, Cert: cert, Key: key}
	const isNone, mustName = "the server is not a Redis", ": RS_REDISHOST and RS_REDISPORT, or RS_REDIS_URL, must name a Redis"

	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no password": {Options{URL: "redis://" + locked.Addr()},
			"Redis asks for a password: set RS_REDIS_PASSWORD, or put it in RS_REDIS_URL (NOAUTH)"},
		"another password": {Options{Host: "127.0.0.1", Port: locked.Port(), Password: "wrongsecret"},
			"Redis refuses the user and password: check RS_REDIS_USER and RS_REDIS_PASSWORD, or those in RS_REDIS_URL (WRONGPASS)"},
		"another user": {Options{URL: "redis://nobody:secret@" + locked.Addr()},
			"Redis refuses the user and password: check RS_REDIS_USER and RS_REDIS_PASSWORD, or those in RS_REDIS_URL (WRONGPASS)"},
		"no password of Sentinels": {Options{URL: "redis://" + locked.Addr() + "?master_set=m"},
			"Redis or a Sentinel asks for a password: set RS_REDIS_PASSWORD or RS_REDIS_SENTINEL_PASSWORD, or put it in RS_REDIS_URL (NOAUTH)"},
		"another password of Sentinels": {Options{URL: "redis://" + locked.Addr() + "?master_set=m", SentinelPassword: "wrongsecret"},
			"check RS_REDIS_USER or RS_REDIS_SENTINEL_USER and RS_REDIS_PASSWORD or RS_REDIS_SENTINEL_PASSWORD, or those in RS_REDIS_URL (WRONGPASS)"},
		"no Sentinel": {Options{URL: "redis://" + plain.Addr() + "?master_set=m"},
			"the server is not a Sentinel: RS_REDIS_URL must name Sentinels, or have no master_set"},
		"plain to TLS": {Options{URL: "redis://" + secure},
			"the server closed the connection without an answer; if it speaks TLS, RS_REDIS_URL must begin with rediss:// ("},
		"TLS to plain": {Options{URL: "rediss://" + plain.Addr(), TLS: good, DialTimeout: time.Second}, // Redis waits for more
			"if it does not speak TLS, RS_REDIS_URL must begin with redis:// instead of rediss:// ("},
		"TLS to what greets": {Options{URL: "rediss://" + greet(t, "-ERR max number of clients reached\r\n")},
			"the server does not speak TLS: RS_REDIS_URL must begin with redis:// instead of rediss://"},
		"a strange authority": {Options{URL: "rediss://" + secure, TLS: TLS{CA: strange.CA, Cert: cert, Key: key}},
			"Redis' certificate is signed by an unknown authority: set RS_REDIS_CA to a file with the certificate of that authority"},
		"another name": {Options{URL: "rediss://" + secure, TLS: TLS{CA: authority.CA, Cert: cert, Key: key, ServerName: "redis.test"}},
			"Redis' certificate is not for the name redis.test: set RS_REDIS_SERVER_NAME to a name that it has"},
		"a strange client": {Options{URL: "rediss://" + secure, TLS: TLS{CA: authority.CA, Cert: strangeCert, Key: strangeKey}},
			"set RS_REDIS_CERT and RS_REDIS_KEY to a pair that it accepts"},
		"no client certificate": {Options{URL: "rediss://" + secure, TLS: TLS{CA: authority.CA}}, "set RS_REDIS_CERT and RS_REDIS_KEY to a pair that it accepts"},
		"HTTP":                  {Options{URL: "redis://" + web}, isNone + ", but probably an HTTP server" + mustName},
		"HTTP to TLS":           {Options{URL: "rediss://" + web}, isNone + ", but probably an HTTP server" + mustName},
		"SSH":                   {Options{URL: "redis://" + ssh}, isNone + ", but probably an SSH server" + mustName},
		"SSH to TLS":            {Options{URL: "rediss://" + ssh}, isNone + ", but probably an SSH server" + mustName},
		"MySQL":                 {Options{URL: "redis://" + greet(t, "J\x00\x00\x00\x0a8.0.36\x00")}, isNone + mustName},
		"nothing": {Options{URL: "redis://127.0.0.1:1"},
			"nothing listens there: start Redis, or set RS_REDISHOST and RS_REDISPORT, or RS_REDIS_URL, to where it is (dial tcp 127.0.0.1:1: connect: connection refused)"},
		"no such host": {Options{Host: "redis.invalid", Port: 6379}, "the name of the host is not known here: check RS_REDISHOST, or RS_REDIS_URL ("},
		// What explains itself stays as it is.
		"no socket": {Options{URL: "unix:///none/redis.sock"}, "dial unix /none/redis.sock: connect: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, log, err := reach(t, c.o)
			line, _, _ := strings.Cut(log.String(), "\n") // a second attempt may have failed otherwise
			if !errors.Is(err, store.ErrUnavailable) || !strings.HasPrefix(line, "warning: redis at ") || !strings.Contains(line, c.want) {
				t.Errorf("%v\n%s\nnot %s", err, line, c.want)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("it shows a password:\n%s", log)
			}
		})
	}
}

// TestExplainLater gives Redis a password while it is in use. The log says so, although
// it has said before that Redis cannot be used: of a connection that broke.
func TestExplainLater(t *testing.T) {
	server := redistest.Start(t)
	s, log, err := reach(t, Options{URL: "redis://" + server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	server.Do(t, "CONFIG", "SET", "requirepass", "secret")
	server.Do(t, "CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
	s.client.Outcome(s.client.Made(), io.EOF)
	eventually(t, "the log says so", func() bool {
		s.Ping(t.Context())
		return strings.Contains(log.String(), "Redis asks for a password: set RS_REDIS_PASSWORD")
	})
	for range 10 {
		s.Ping(t.Context())
	}
	if n := strings.Count(log.String(), "RS_REDIS_PASSWORD"); n != 1 {
		t.Errorf("it says so %d times:\n%s", n, log)
	}
}

package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// explain says in plain words why an attempt to connect failed and which variable to
// set, as far as the error tells; what it cannot explain it returns as it is. A certain
// cause is a Mistake. Where others are possible the sentence says so, and the error goes
// with it: a Redis that speaks TLS just closes the connection of a client that does not.
func explain(err error, option rueidis.ClientOption) error {
	if said := explainReply(err, option); said != err {
		return said
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if kind := serverKind(header.RecordHeader[0]); kind != "" {
			return noRedis(kind)
		}
		return Mistake("the server does not speak TLS: RS_REDIS_URL must begin with redis:// instead of rediss://")
	}
	if first, ok := unknownType(err); ok {
		return noRedis(serverKind(first))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Mistake("Redis' certificate is signed by an unknown authority: set RS_REDIS_CA to a file with the certificate of that authority")
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return Mistake(fmt.Sprintf("Redis' certificate is not for the name %s: set RS_REDIS_SERVER_NAME to a name that it has", name.Host))
	}
	const setPair = "set RS_REDIS_CERT and RS_REDIS_KEY to a pair that it accepts"
	network, isNetwork := errors.AsType[*net.OpError](err)
	if isNetwork && network.Op == "remote error" && strings.Contains(err.Error(), "certificate") {
		return Mistake(fmt.Sprintf("Redis refuses the client certificate, or needs one: %s (%v)", setPair, network.Err))
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound {
		return fmt.Errorf("the name of the host is not known here: check RS_REDISHOST, or RS_REDIS_URL (%w)", err)
	}
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	const setPlace = "set RS_REDISHOST and RS_REDISPORT, or RS_REDIS_URL, to where it is"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there: start Redis, or %s (%w)", setPlace, err)
	case isNetwork && network.Op == "dial" && network.Timeout():
		return fmt.Errorf("nothing answers there: let firewalls pass connections to Redis, or %s (%w)", setPlace, err)
	case closed && option.TLSConfig == nil:
		return fmt.Errorf("the server closed the connection without an answer; if it speaks TLS, RS_REDIS_URL must begin with rediss:// (%w)", err)
	case closed:
		return fmt.Errorf("the server closed the TLS connection without an answer; if it asks for a client certificate, %s (%w)", setPair, err)
	case option.TLSConfig != nil && !isNetwork && errors.Is(err, context.DeadlineExceeded): // in the handshake
		return fmt.Errorf("the server accepts connections but does not answer; if it does not speak TLS, RS_REDIS_URL must begin with redis:// instead of rediss:// (%w)", err)
	}
	return err
}

// explainReply is explain for an error reply of Redis, to whatever command.
func explainReply(err error, option rueidis.ClientOption) error {
	reply, ok := errors.AsType[*rueidis.RedisError](err)
	if !ok {
		return err
	}
	who, user, password := "Redis", "RS_REDIS_USER", "RS_REDIS_PASSWORD"
	if option.Sentinel.MasterSet != "" { // which of the two it was, the error does not tell
		who, user, password = "Redis or a Sentinel", user+" or RS_REDIS_SENTINEL_USER", password+" or RS_REDIS_SENTINEL_PASSWORD"
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	switch {
	case code == "NOAUTH":
		return Mistake(fmt.Sprintf("%s asks for a password: set %s, or put it in RS_REDIS_URL (NOAUTH)", who, password))
	case code == "WRONGPASS":
		return Mistake(fmt.Sprintf("%s refuses the user and password: check %s and %s, or those in RS_REDIS_URL (WRONGPASS)", who, user, password))
	case code == "NOPERM" || forbidden(reply.Error()):
		return Mistake(fmt.Sprintf("the access list of Redis' user forbids a command or key that sessions need: docs/redis.md has the list (%v)", reply))
	case option.Sentinel.MasterSet != "" && strings.HasPrefix(reply.Error(), "unknown command 'SENTINEL'"):
		return Mistake("the server is not a Sentinel: RS_REDIS_URL must name Sentinels, or have no master_set")
	}
	return err
}

// noRedis says that another kind of server answers, "" for one that is not known.
func noRedis(kind string) error {
	if kind != "" {
		kind = ", but " + kind
	}
	return Mistake("the server is not a Redis" + kind + ": RS_REDISHOST and RS_REDISPORT, or RS_REDIS_URL, must name a Redis")
}

// serverKind guesses what a server is whose first byte is no reply of Redis: from
// "HTTP/1.1 400" and "SSH-2.0-...".
func serverKind(first byte) string {
	switch first {
	case 'H':
		return "probably an HTTP server"
	case 'S':
		return "probably an SSH server"
	}
	return ""
}

// unknownType returns the first byte of an answer that is not of Redis' protocol.
// rueidis has no error to compare with, only this text.
func unknownType(err error) (first byte, ok bool) {
	_, number, ok := strings.Cut(err.Error(), "received unknown message type: ")
	if ok {
		fmt.Sscan(number, &first)
	}
	return first, ok
}

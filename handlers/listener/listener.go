// Package listener opens what the server listens on: a TCP address or a Unix
// socket, with TLS or without.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options says where to listen, and with what certificate.
type Options struct {
	// Host is an address, all interfaces when empty, or unix: and the absolute
	// path of a socket; then Port has no meaning.
	Host string
	// Port is 0 for any free one.
	Port int
	// Cert and Key are files in PEM: the certificate, with those between it and
	// the authority behind it, and its key. Without them there is no TLS.
	Cert, Key string
	// Logf gets a line when connections cannot be accepted; nil for none.
	Logf func(format string, args ...any)
}

// MostConnections is how many connections are served where the system allows as many.
const MostConnections = 16_384

// MaxConnections is how many connections are served: what the limit of open files
// allows, less those that Redis, the disk and the health check need, and MostConnections at most.
func MaxConnections() int32 {
	limit := MaxFiles()
	return int32(max(1, min(MostConnections, limit-max(spared, limit/16))))
}

// spared is how many descriptors are kept back at the least: 10 for the process and its
// files, 17 for Redis, and told.
const spared = 36

// Check returns all that can be known to be wrong before listening.
func (o Options) Check() (wrong []error) {
	if path, ok := o.socket(); ok && !filepath.IsAbs(path) {
		wrong = append(wrong, errors.New("what follows unix: must be an absolute path"))
	}
	if (o.Cert == "") != (o.Key == "") {
		wrong = append(wrong, errors.New("set both the certificate and its key, or neither"))
	} else if o.tls() {
		if _, err := tls.LoadX509KeyPair(o.Cert, o.Key); err != nil {
			wrong = append(wrong, fmt.Errorf("certificate: %w", err))
		}
	}
	return wrong
}

// socket returns the path of the socket, if it is to be one.
func (o Options) socket() (string, bool) { return strings.CutPrefix(o.Host, "unix:") }

// address is the host without the brackets that an IPv6 address has in a URL.
func (o Options) address() string {
	if inner, ok := strings.CutPrefix(o.Host, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return o.Host
}

func (o Options) tls() bool { return o.Cert != "" }

// Listener is a net.Listener that knows what it is.
type Listener struct {
	net.Listener
	crowd *crowd
	url   string
	pair  *pair // nil without TLS
}

// Open listens. A socket's file is removed by Close, and has mode 660.
func Open(o Options) (*Listener, error) {
	l := &Listener{}
	var err error
	if o.tls() {
		if l.pair, err = newPair(o.Cert, o.Key); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	path, socket := o.socket()
	if socket {
		l.Listener, err = openSocket(path)
	} else {
		var plain net.ListenConfig
		plain.SetMultipathTCP(false) // such a socket takes no filter, see refuse
		l.Listener, err = plain.Listen(context.Background(), "tcp", net.JoinHostPort(o.address(), strconv.Itoa(o.Port)))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	logf := o.Logf
	if logf == nil {
		logf = func(string, ...any) {}
	}
	l.crowd = newCrowd(l.Listener, MaxConnections(), logf)
	l.Listener = l.crowd
	scheme := "http"
	if o.tls() {
		scheme = "https"
		l.Listener = tls.NewListener(plainRefusing{l.Listener}, l.pair.config())
	}
	if l.url = scheme + "://" + l.Addr().String(); socket {
		l.url = scheme + "+unix:" + path
	}
	return l, nil
}

// String says where it listens, as http://127.0.0.1:3000 or http+unix:/path.
func (l *Listener) String() string { return l.url }

// Connections returns how many are open. The HTTP server's own count lags behind: it has
// those that were closed for others until it finds that out.
func (l *Listener) Connections() int32 { return l.crowd.open.Load() }

// Reload reads the certificate's files again, for the connections to come. With
// an error the old one stays. Without TLS there is nothing to do.
func (l *Listener) Reload() error {
	if l.pair == nil {
		return nil
	}
	if err := l.pair.load(); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	return nil
}

// CertificateEnd returns when the certificate ends that new connections get. It is for a
// Listener with TLS.
func (l *Listener) CertificateEnd() time.Time { return l.pair.end() }

// Open reports whether programs on other machines can connect.
func (l *Listener) Open() bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// TLS reports whether connections are encrypted.
func (l *Listener) TLS() bool { return l.pair != nil }

package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// TLS says how to know Redis, and how to be known by it.
type TLS struct {
	// CA is a file of certificates in PEM that Redis' certificate is checked
	// against; those of the system when it is empty.
	CA string
	// Cert and Key are files in PEM of the client's certificate. They are read
	// for every connection, so new ones need no restart.
	Cert, Key string
	// ServerName is the name that Redis' certificate must have; that of the host
	// when it is empty.
	ServerName string
}

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("CA certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("CA certificates: %s holds none in PEM", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	if t.Cert != "" {
		pair := &certificate{cert: t.Cert, key: t.Key}
		if _, err := pair.get(nil); err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.GetClientCertificate = pair.get
	}
	return config, nil
}

// handshake makes a TLS connection of conn, which it closes if that fails.
func handshake(ctx context.Context, conn net.Conn, to string, config *tls.Config) (net.Conn, error) {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(to)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// certificate is a pair of files. Should they be unreadable one day, or in the
// middle of a change, the last good ones go on.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	last *tls.Certificate
}

func (c *certificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last = &pair
	} else if c.last == nil {
		return nil, err
	}
	return c.last, nil
}

// ClientCertificateEnd returns when the certificate expires that Redis is shown with the
// next connection; the zero Time if there is none.
func (c *Client) ClientCertificateEnd() time.Time {
	config := c.connector.option.lastUsed().TLSConfig
	if config == nil || config.GetClientCertificate == nil {
		return time.Time{}
	}
	pair, err := config.GetClientCertificate(nil)
	if err != nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

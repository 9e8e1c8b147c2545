package listener

import (
	"crypto/tls"
	"sync/atomic"
)

// pair is a certificate and its key, in files that can change.
type pair struct {
	cert, key string
	loaded    atomic.Pointer[tls.Certificate]
}

func newPair(cert, key string) (*pair, error) {
	p := &pair{cert: cert, key: key}
	return p, p.load()
}

func (p *pair) load() error {
	loaded, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err == nil {
		p.loaded.Store(&loaded)
	}
	return err
}

func (p *pair) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// What the HTTP server speaks; a client that insists on HTTP/2 is told so.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.loaded.Load(), nil },
	}
}

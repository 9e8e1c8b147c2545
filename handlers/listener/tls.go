package listener

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
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

// end returns when the certificate ends that new connections get.
func (p *pair) end() time.Time { return p.loaded.Load().Leaf.NotAfter }

func (p *pair) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// What the HTTP server speaks; a client that insists on HTTP/2 is told so.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.loaded.Load(), nil },
	}
}

// plainRefusing is a listener for TLS that tells who speaks plain HTTP so, in plain HTTP.
type plainRefusing struct{ net.Listener }

// Accept implements net.Listener.
func (l plainRefusing) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainRefused{Conn: conn}, nil
}

// plainRefused looks at the first byte that it reads: that of TLS is 22, of a request in
// plain HTTP a capital. It is for one reader at a time, as a tls.Conn is.
type plainRefused struct {
	net.Conn
	begun bool
}

// NetConn returns the connection below, as that of tls.Conn does.
func (c *plainRefused) NetConn() net.Conn { return c.Conn }

var errPlain = errors.New("listener: plain HTTP where TLS is spoken")

const plainBody = `{"name":"badRequest","message":"This port speaks TLS: use https"}`

// Read implements net.Conn.
func (c *plainRefused) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.begun {
		c.begun = true
		if 'A' <= b[0] && b[0] <= 'Z' {
			Linger(c.Conn)
			c.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
			io.WriteString(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\n"+
				"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(len(plainBody))+"\r\n\r\n"+plainBody)
			return 0, errPlain
		}
	}
	return n, err
}

package main

import (
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

// sources are what metrics ask of the parts of the server.
func sources(c config, door *listener.Listener, sessions engine, dropped func() uint64) metrics.Sources {
	s := metrics.Sources{
		Connections: func() int { return int(door.Connections()) },
		Writable:    sessions.Writable,
		Dropped:     dropped,
	}
	if door.TLS() {
		s.Certificate = door.CertificateEnd
	}
	switch engine := sessions.(type) {
	case *embedded.Store:
		s.Sessions = engine.Len
		if c.Data != "" {
			s.DataSize = engine.FileSize
		}
	case *redis.Store:
		s.Up = engine.Up
		if c.RedisCert != "" {
			s.RedisCertificate = engine.ClientCertificateEnd
		}
	}
	return s
}

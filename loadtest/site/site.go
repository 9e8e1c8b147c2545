//go:build linux

// Package site runs a real rest-sessions, and the real Redis that it needs, for load that
// needs both.
package site

import (
	"strconv"

	"rest-sessions/internal/redistest"
)

// Site is a Redis, perhaps a proxy before it, and our server.
type Site struct {
	*Server
	Redis *redistest.Server
	Proxy *redistest.Proxy // nil: none

	replica *redistest.Server // see StartReplica
}

// New starts it: redis-server with args, and binary with the variables of environ besides
// those that say where it listens and where Redis is.
func New(binary string, proxied bool, args []string, environ ...string) (*Site, error) {
	s, err := start(binary, proxied, args, environ)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// start is New, and leaves what it has started when it fails.
func start(binary string, proxied bool, args, environ []string) (s *Site, err error) {
	s = new(Site)
	if s.Redis, err = redistest.Run(args...); err != nil {
		return s, err
	}
	port := s.Redis.Port()
	if proxied {
		if s.Proxy, err = redistest.RunProxy(s.Redis); err != nil {
			return s, err
		}
		port = s.Proxy.Port()
	}
	where := []string{"RS_STORE=redis", "RS_REDISHOST=127.0.0.1", "RS_REDISPORT=" + strconv.Itoa(port)}
	s.Server, err = Serve(binary, append(where, environ...)...)
	return s, err
}

// Close ends all processes.
func (s *Site) Close() {
	if s.Server != nil {
		s.Server.Kill()
	}
	if s.Proxy != nil {
		s.Proxy.Close()
	}
	if s.Redis != nil {
		s.Redis.Close()
	}
	if s.replica != nil {
		s.replica.Close()
	}
}

// Command sends one command to Redis past the proxy; an error reply is an error.
func (s *Site) Command(args ...string) error {
	reply, err := s.Redis.Call(args...)
	if said, ok := reply.(redistest.Error); ok {
		return said
	}
	return err
}

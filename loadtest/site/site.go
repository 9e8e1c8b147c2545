//go:build linux

// Package site runs a real rest-sessions on a real Redis, for load that needs both.
package site

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rest-sessions/store/redis/redistest"
)

// Site is a Redis, perhaps a proxy before it, and our server.
type Site struct {
	Redis  *redistest.Server
	Proxy  *redistest.Proxy // nil: none
	URL    string           // of the server, without a slash at its end
	Log    Log              // of the server
	server *exec.Cmd
	ended  chan struct{} // closed when the server is gone
}

var listening = regexp.MustCompile(`listens on (http://[^\s,]+)`)

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
	s = &Site{ended: make(chan struct{})}
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
	s.server = exec.Command(binary)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "RS_") {
			s.server.Env = append(s.server.Env, line)
		}
	}
	s.server.Env = append(s.server.Env, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none", "RS_STORE=redis",
		"RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(port))
	s.server.Env = append(s.server.Env, environ...)
	s.server.Stderr = &s.Log
	s.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig comes when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.server.Start()
		started <- err
		if err == nil {
			s.server.Wait()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		s.server = nil
		return s, err
	}
	for deadline := time.Now().Add(10 * time.Second); s.URL == ""; time.Sleep(5 * time.Millisecond) {
		if m := listening.FindStringSubmatch(s.Log.String()); m != nil {
			s.URL = m[1]
		}
		select {
		case <-s.ended:
			return s, fmt.Errorf("the server ended at its start: %s", s.Log.String())
		default:
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("the server does not start: %s", s.Log.String())
		}
	}
	return s, nil
}

// Close ends all processes.
func (s *Site) Close() {
	if s.server != nil {
		s.server.Process.Kill()
		<-s.ended
	}
	if s.Proxy != nil {
		s.Proxy.Close()
	}
	if s.Redis != nil {
		s.Redis.Close()
	}
}

// Alive reports whether the server still runs.
func (s *Site) Alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
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

// Log collects what a server says, and is read while it is written.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *Log) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is the log up to now.
func (b *Log) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

//go:build linux

package main

import (
	"bufio"
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

// site is a Redis, perhaps a proxy before it, and our server.
type site struct {
	redis  *redistest.Server
	proxy  *redistest.Proxy // nil: none
	server *exec.Cmd
	url    string
	log    logBuffer
	ended  chan struct{} // closed when the server is gone
}

var listening = regexp.MustCompile(`listens on (http://[^\s,]+)`)

// newSite starts it. Whatever happens, it is to be closed.
func newSite(binary string, proxied bool, args []string) (s *site, err error) {
	s = &site{ended: make(chan struct{})}
	if s.redis, err = redistest.Run(args...); err != nil {
		return s, err
	}
	port := s.redis.Port()
	if proxied {
		if s.proxy, err = redistest.RunProxy(s.redis); err != nil {
			return s, err
		}
		port = s.proxy.Port()
	}
	s.server = exec.Command(binary)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "RS_") {
			s.server.Env = append(s.server.Env, line)
		}
	}
	s.server.Env = append(s.server.Env, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none", "RS_STORE=redis",
		"RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(port), "RS_TIMEOUT="+timeout.String(),
		// What is measured is the wait for Redis: none of the crowd is to be shed.
		"RS_MAX_INFLIGHT=1000000")
	s.server.Stderr = &s.log
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
	for deadline := time.Now().Add(10 * time.Second); s.url == ""; time.Sleep(5 * time.Millisecond) {
		if m := listening.FindStringSubmatch(s.log.String()); m != nil {
			s.url = m[1]
		}
		select {
		case <-s.ended:
			return s, fmt.Errorf("the server ended at its start: %s", s.log.String())
		default:
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("the server does not start: %s", s.log.String())
		}
	}
	return s, nil
}

// close ends all processes.
func (s *site) close() {
	if s.server != nil {
		s.server.Process.Kill()
		<-s.ended
	}
	if s.proxy != nil {
		s.proxy.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}

// alive reports whether the server still runs.
func (s *site) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// command sends one command to Redis past the proxy; an error reply is an error.
func (s *site) command(args ...string) error {
	reply, err := s.redis.Call(args...)
	if said, ok := reply.(redistest.Error); ok {
		return said
	}
	return err
}

// resident is the server's memory that is in use, in bytes.
func (s *site) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.Process.Pid))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmRSS:" {
			n, err := strconv.Atoi(fields[1])
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in %q", status)
}

// logBuffer collects the server's log, which is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is the log up to now.
func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

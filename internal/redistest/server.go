//go:build unix

// Package redistest runs real redis-servers for tests and benchmarks: on a free
// port of 127.0.0.1, without persistence, ended with the test.
package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// RequireEnv names the environment variable that, set to 1, turns the skip of a
// machine without redis-server into a failure, so that a build server can not
// pass by having run nothing.
const RequireEnv = "RS_TEST_REQUIRE_REDIS"

// ErrNoServer means that there is no redis-server in PATH.
var ErrNoServer = errors.New("redistest: no redis-server in PATH")

const (
	// startDeadline is how long a server may take to answer its first command.
	startDeadline = time.Minute
	pollInterval  = 2 * time.Millisecond
	// A cluster node listens on its port + 10000 as well.
	portAttempts = 20
)

// Server is a redis-server process. Its methods are safe for concurrent use.
type Server struct {
	port int
	args []string
	dir  string
	// commandLine makes the arguments of redis-server.
	commandLine func(*Server) ([]string, error)

	mu   sync.Mutex // guards proc
	proc *Process

	connMu sync.Mutex // guards conn, and is held for a command's round trip
	conn   *conn
}

// Start starts a server and ends it with the test. args are appended to its
// command line ("--maxmemory", "10mb"); a --port among them does not work.
// Without a redis-server in PATH the test is skipped, or fails if RequireEnv
// asks for that.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s, err := Run(args...)
	if errors.Is(err, ErrNoServer) && os.Getenv(RequireEnv) != "1" {
		tb.Skipf("%v: this test needs one (%s=1 makes this a failure)", err, RequireEnv)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Run is Start for a TestMain, which has no testing.TB: the caller ends the
// server with Close. The error is ErrNoServer without a redis-server in PATH.
func Run(args ...string) (*Server, error) {
	return run(func(s *Server) ([]string, error) {
		return append([]string{
			"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no",
		}, s.args...), nil
	}, args...)
}

func run(commandLine func(*Server) ([]string, error), args ...string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoServer, err)
	}
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		return nil, fmt.Errorf("redistest: %w", err)
	}
	s := &Server{args: args, dir: dir, commandLine: commandLine}
	// Between the choice of a free port and its use another process may take it.
	for range portAttempts {
		if s.port, err = FreePort(); err != nil {
			break
		}
		if err = s.start(); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// Addr returns the server's address, host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the server's port.
func (s *Server) Port() int { return s.port }

// Stop kills the server (SIGKILL) and waits until it is gone: connections are
// reset, new ones refused. A stopped server stays stopped until Restart.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// Pause freezes the server (SIGSTOP): connections are accepted by the kernel,
// and nothing is answered.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on (SIGCONT). What was sent to it meanwhile is
// executed then.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Restart starts the server anew on the same port, empty, after a Stop if it
// still runs. An error means that it does not run.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	deadline := time.Now().Add(startDeadline)
	for {
		err := s.start()
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Close stops the server for good and removes its directory.
func (s *Server) Close() {
	s.Stop()
	os.RemoveAll(s.dir)
}

// errPortTaken means that the server ended because its port, or a cluster
// node's second one, belongs to somebody else.
var errPortTaken = errors.New("redistest: port taken")

// start starts the process and waits until it serves.
func (s *Server) start() error {
	args, err := s.commandLine(s)
	if err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	p, err := StartProcess(exec.Command("redis-server", args...))
	if err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	deadline := time.Now().Add(startDeadline)
	for !s.serves(p.Pid()) {
		select {
		case <-p.Done:
			if log := p.Log.String(); strings.Contains(log, "already in use") {
				return fmt.Errorf("%w: %s", errPortTaken, log)
			}
			return fmt.Errorf("redistest: redis-server ended at its start: %s", p.Log.String())
		case <-time.After(pollInterval):
		}
		if time.Now().After(deadline) {
			p.Kill()
			return fmt.Errorf("redistest: no answer from redis-server within %v: %s", startDeadline, p.Log.String())
		}
	}
	s.proc = p
	return nil
}

// serves reports whether the process pid answers on the port. A PONG alone may
// come from another server that took the port first. A server with a password
// does not tell its pid; its port is believed.
func (s *Server) serves(pid int) bool {
	c, err := dial(s.Addr(), doTimeout)
	if err != nil {
		return false
	}
	defer c.Close()
	reply, err := c.do("PING")
	if e, isError := reply.(Error); err != nil || isError {
		return err == nil && strings.HasPrefix(string(e), "NOAUTH")
	}
	info, err := c.do("INFO", "server")
	text, _ := info.(string)
	return err == nil && strings.Contains(text, fmt.Sprintf("process_id:%d\r\n", pid))
}

// stop requires mu.
func (s *Server) stop() {
	if s.proc != nil {
		s.proc.Kill()
		s.proc = nil
	}
	s.dropConn()
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		s.proc.Signal(sig)
	}
}

// FreePort returns a port that nobody listens on. It is below those that Linux gives to
// connections: one of these could take it before it is used, or while a server restarts.
func FreePort() (int, error) {
	var err error
	for range portAttempts {
		port := 16384 + rand.N(16000)
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("redistest: no free port: %w", err)
}

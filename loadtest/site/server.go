//go:build linux

package site

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Server is a running rest-sessions.
type Server struct {
	URL   string // without a slash at its end
	Log   Log
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is gone
}

const (
	startTimeout = 10 * time.Second
	// stopTimeout is longer than the server gives to work in flight.
	stopTimeout = 20 * time.Second
)

var listening = regexp.MustCompile(`listens on (http://[^\s,]+)`)

// Environment is ours without what configures somebody's server, and more.
func Environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(line string) bool { return strings.HasPrefix(line, "RS_") })
	return append(env, more...)
}

// Serve starts binary with the variables of environ besides those that say where it
// listens, and waits until it does. It is killed if this process ends.
func Serve(binary string, environ ...string) (*Server, error) {
	s := &Server{cmd: exec.Command(binary), ended: make(chan struct{})}
	s.cmd.Env = append(Environment("RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none"), environ...)
	s.cmd.Stderr = &s.Log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig comes when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.cmd.Wait()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(5 * time.Millisecond) {
		if m := listening.FindStringSubmatch(s.Log.String()); m != nil {
			s.URL = m[1]
			return s, nil
		}
		if !s.Alive() {
			return nil, fmt.Errorf("the server ended at its start: %s", s.Log.String())
		}
		if time.Now().After(deadline) {
			s.Kill()
			return nil, fmt.Errorf("the server does not start: %s", s.Log.String())
		}
	}
}

// Alive reports whether the server still runs.
func (s *Server) Alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Kill ends it at once.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

// Stop ends it as a person does with Ctrl-C.
func (s *Server) Stop() error {
	s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopTimeout):
		s.Kill()
		return errors.New("the server does not end")
	}
}

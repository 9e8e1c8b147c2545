//go:build linux

package site

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/redistest"
)

// Server is a running rest-sessions. Its log is that of the process.
type Server struct {
	*redistest.Process
	URL string // without a slash at its end
}

const (
	startTimeout = time.Minute
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
// listens, and waits until it does. It ends with this process.
func Serve(binary string, environ ...string) (*Server, error) {
	cmd := exec.Command(binary)
	cmd.Env = append(Environment("RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none"), environ...)
	p, err := redistest.StartProcess(cmd)
	if err != nil {
		return nil, err
	}
	s := &Server{Process: p}
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

// AwaitReady waits until the server has reached its store.
func (s *Server) AwaitReady() error {
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(5 * time.Millisecond) {
		status, _, err := fasthttp.GetTimeout(nil, s.URL+"/readyz", startTimeout)
		if err == nil && status == fasthttp.StatusOK {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready: status %d, %v: %s", status, err, s.Log.String())
		}
	}
}

// Alive reports whether the server still runs.
func (s *Server) Alive() bool {
	select {
	case <-s.Done:
		return false
	default:
		return true
	}
}

// Stop ends it as a person does with Ctrl-C.
func (s *Server) Stop() error {
	s.Signal(os.Interrupt)
	select {
	case <-s.Done:
		return nil
	case <-time.After(stopTimeout):
		s.Kill()
		return errors.New("the server does not end")
	}
}

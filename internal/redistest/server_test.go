//go:build unix

package redistest

import (
	"errors"
	"net"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestReplies(t *testing.T) {
	s := Start(t)
	for _, c := range []struct {
		command string
		want    any
	}{
		{"PING", "PONG"},
		{"GET none", nil},
		{"RPUSH l a b", int64(2)},
		{"LRANGE l 0 -1", []any{"a", "b"}},
		{"LRANGE none 0 -1", []any{}},
		{"EVAL return{1,{'x',false},'\\r\\n'} 0", []any{int64(1), []any{"x", nil}, "\r\n"}},
		{"GET l", Error("WRONGTYPE Operation against a key holding the wrong kind of value")},
		{"CONFIG GET save", []any{"save", ""}},
	} {
		if got := s.Do(t, strings.Split(c.command, " ")...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %#v, want %#v", c.command, got, c.want)
		}
	}
	if got := s.Do(t, "SET", "", "a \x00\r\nb"); got != "OK" {
		t.Errorf("SET: %v", got)
	}
	if got := s.Do(t, "GET", ""); got != "a \x00\r\nb" {
		t.Errorf("GET: %q", got)
	}
}

func TestArgs(t *testing.T) {
	s := Start(t, "--maxmemory", "7mb", "--cluster-enabled", "yes")
	if got := s.Do(t, "CONFIG", "GET", "maxmemory"); !reflect.DeepEqual(got, []any{"maxmemory", "7340032"}) {
		t.Errorf("maxmemory: %v", got)
	}
	if _, err := Run("--no-such-option", "1"); err == nil || errors.Is(err, errPortTaken) {
		t.Errorf("a bad option: %v", err)
	}
}

func TestPassword(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	if got := s.Do(t, "AUTH", "secret"); got != "OK" {
		t.Fatal(got)
	}
	if got := s.Do(t, "PING"); got != "PONG" {
		t.Error(got)
	}
}

func TestStopAndRestart(t *testing.T) {
	s := Start(t)
	s.Do(t, "SET", "k", "v")
	s.Stop()
	s.Stop()
	s.Pause() // nothing to pause
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("a stopped server takes connections")
	}
	if _, err := s.Call("PING"); err == nil {
		t.Error("a stopped server answers")
	}
	for range 3 { // of these the first finds it stopped, the others running
		port := s.Port()
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if s.Port() != port {
			t.Errorf("port %d after a restart, was %d", s.Port(), port)
		}
		if got := s.Do(t, "SET", "k", "v", "NX"); got != "OK" {
			t.Errorf("a restarted server still has its keys: %v", got)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	s := Start(t)
	s.Pause()
	c, err := dial(s.Addr(), doTimeout)
	if err != nil {
		t.Fatalf("a paused server refuses connections: %v", err)
	}
	defer c.Close()
	c.timeout = 100 * time.Millisecond
	var timeout net.Error
	if _, err := c.do("INCR", "n"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a paused server: %v", err)
	}
	s.Resume()
	// The increment that was given up on is executed all the same.
	c.SetDeadline(time.Now().Add(doTimeout))
	if got, err := readReply(c.r); got != int64(1) || err != nil {
		t.Errorf("the late reply: %v, %v", got, err)
	}
	if got := s.Do(t, "INCR", "n"); got != int64(2) {
		t.Errorf("after Resume: %v", got)
	}
	s.Pause() // Close ends a paused server too
}

func TestTakenPort(t *testing.T) {
	other := Start(t)
	s := &Server{port: other.Port(), dir: t.TempDir(), commandLine: other.commandLine}
	if err := s.start(); !errors.Is(err, errPortTaken) {
		t.Errorf("start on the port of another server: %v", err)
	}
	// A cluster node's second port. Where this cannot listen on it, somebody else has it.
	if l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(other.Port()+10000)); err == nil {
		defer l.Close()
	}
	other.Stop()
	s.args = []string{"--cluster-enabled", "yes"}
	if err := s.start(); !errors.Is(err, errPortTaken) {
		t.Errorf("start with a taken bus port: %v", err)
		s.Stop()
	}
}

func TestRequired(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(RequireEnv, "")
	skip := &endedTB{TB: t}
	skip.start()
	if !skip.skipped || skip.failed {
		t.Error("without redis-server the test was not skipped")
	}
	if _, err := Run(); !errors.Is(err, ErrNoServer) {
		t.Errorf("Run: %v", err)
	}
	t.Setenv(RequireEnv, "1")
	required := &endedTB{TB: t}
	required.start()
	if !required.failed || required.skipped {
		t.Errorf("%s=1 did not fail the test", RequireEnv)
	}
}

// endedTB sees Skipf and Fatal instead of ending the test.
type endedTB struct {
	testing.TB
	skipped, failed bool
}

func (e *endedTB) start() {
	defer func() { recover() }()
	Start(e)
}

func (e *endedTB) Skipf(string, ...any) {
	e.skipped = true
	panic("skip")
}

func (e *endedTB) Fatal(...any) {
	e.failed = true
	panic("fatal")
}

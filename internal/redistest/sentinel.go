//go:build unix

package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// MasterName is what the Sentinels call the master.
	MasterName = "mymaster"
	sentinels  = 3
	quorum     = 2
	// sentinelDeadline is how long the Sentinels may take to know each other, and
	// the replica to be in sync.
	sentinelDeadline = time.Minute
	// failoverTimeout is half of the time between two elections.
	failoverTimeout = time.Second
)

// downAfter is how long the master is silent until each Sentinel thinks it down.
// The last is late: of three that want to lead at the same moment each may have a
// vote, its own, and there is no election until the next.
var downAfter = [sentinels]time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// Sentinels is a master with a replica, watched by three Sentinels.
type Sentinels struct {
	// Master and Replica are what they were at the start, whatever came of them.
	Master, Replica *Server
	Sentinels       []*Server
}

// StartSentinels starts a set and ends it with the test. args are appended to the
// command line of master and replica; sentinelLines to the Sentinels' configuration.
// See Start for a machine without a redis-server.
func StartSentinels(tb testing.TB, args []string, sentinelLines ...string) *Sentinels {
	tb.Helper()
	SkipShort(tb)
	s, err := RunSentinels(args, sentinelLines...)
	if errors.Is(err, ErrNoServer) && os.Getenv(RequireEnv) != "1" {
		tb.Skipf("%v: this test needs one (%s=1 makes this a failure)", err, RequireEnv)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// RunSentinels is StartSentinels without a testing.TB: the caller ends the set with
// Close.
func RunSentinels(args []string, sentinelLines ...string) (*Sentinels, error) {
	s := &Sentinels{}
	if err := s.start(args, sentinelLines); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sentinels) start(args, lines []string) (err error) {
	// A replica is served without waiting for another one that may come.
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	if s.Master, err = Run(args...); err != nil {
		return err
	}
	if s.Replica, err = Run(append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(s.Master.Port())}, args...)...); err != nil {
		return err
	}
	for i := range sentinels {
		one, err := run(sentinelCommandLine, append([]string{
			"sentinel monitor " + MasterName + " 127.0.0.1 " + strconv.Itoa(s.Master.Port()) + " " + strconv.Itoa(quorum),
			"sentinel down-after-milliseconds " + MasterName + " " + milliseconds(downAfter[i]),
			"sentinel failover-timeout " + MasterName + " " + milliseconds(failoverTimeout),
			"sentinel known-replica " + MasterName + " 127.0.0.1 " + strconv.Itoa(s.Replica.Port()),
		}, lines...)...)
		if err != nil {
			return err
		}
		s.Sentinels = append(s.Sentinels, one)
		// They ask and tell each other ten times a second, where by default it is once
		// in one or two; and are not out of service for 30 s because a loaded machine
		// kept them waiting. What a replica tells once a second is too old to elect it
		// after five ping periods.
		if reply, err := one.Call("SENTINEL", "DEBUG", "PING-PERIOD", "400", "ASK-PERIOD", "100", "PUBLISH-PERIOD", "100",
			"INFO-PERIOD", "100", "TILT-PERIOD", "500", "ELECTION-TIMEOUT", "1000"); err != nil || reply != "OK" {
			return fmt.Errorf("redistest: SENTINEL DEBUG: %v %v", reply, err)
		}
	}
	for deadline := time.Now().Add(sentinelDeadline); !s.ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("redistest: no Sentinel set within %v", sentinelDeadline)
		}
	}
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// sentinelCommandLine writes the configuration at the first start on a port; the
// Sentinel rewrites it as it goes.
func sentinelCommandLine(s *Server) ([]string, error) {
	file := filepath.Join(s.dir, fmt.Sprintf("sentinel-%d.conf", s.port))
	if _, err := os.Stat(file); err != nil {
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\ndaemonize no\n%s\n", s.port, s.dir, strings.Join(s.args, "\n"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return []string{file, "--sentinel"}, nil
}

// ready reports whether the replica is in sync and each Sentinel knows the others
// and the replica.
func (s *Sentinels) ready() bool {
	info, err := s.Master.Call("INFO", "replication")
	if err != nil || !strings.Contains(fmt.Sprint(info), "state=online") {
		return false
	}
	for _, one := range s.Sentinels {
		info, err := one.Call("INFO", "sentinel")
		want := fmt.Sprintf("status=ok,address=127.0.0.1:%d,slaves=1,sentinels=%d", s.Master.Port(), sentinels)
		if err != nil || !strings.Contains(fmt.Sprint(info), want) {
			return false
		}
	}
	return true
}

// Addrs returns the addresses of the Sentinels, host:port, with commas between.
func (s *Sentinels) Addrs() string {
	addrs := make([]string, len(s.Sentinels))
	for i, one := range s.Sentinels {
		addrs[i] = one.Addr()
	}
	return strings.Join(addrs, ",")
}

// Elected returns the address of what any Sentinel thinks is the master and is not
// old, "" if there is none.
func (s *Sentinels) Elected(old string) string {
	for _, one := range s.Sentinels {
		reply, err := one.Call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
		pair, ok := reply.([]any)
		if err != nil || !ok || len(pair) != 2 {
			continue
		}
		if addr := net.JoinHostPort(fmt.Sprint(pair[0]), fmt.Sprint(pair[1])); addr != old {
			return addr
		}
	}
	return ""
}

// Close ends all of them.
func (s *Sentinels) Close() {
	var wg sync.WaitGroup
	for _, one := range append([]*Server{s.Master, s.Replica}, s.Sentinels...) {
		if one != nil {
			wg.Go(one.Close)
		}
	}
	wg.Wait()
}

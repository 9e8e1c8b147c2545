//go:build unix

package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSentinels(t *testing.T) {
	begun := time.Now()
	s := StartSentinels(t, nil)
	t.Logf("started in %v", time.Since(begun))
	old := s.Master.Addr()
	if addr := s.Elected(old); addr != "" {
		t.Fatalf("the master is %s, not %s", addr, old)
	}
	s.Master.Do(t, "SET", "k", "v")
	s.Master.Do(t, "WAIT", "1", "0")
	s.Master.Stop()
	begun = time.Now()
	for s.Elected(old) == "" {
		if time.Since(begun) > sentinelDeadline {
			t.Fatal("no election")
		}
	}
	t.Logf("elected after %v", time.Since(begun))
	if addr := s.Elected(old); addr != s.Replica.Addr() {
		t.Errorf("%s was elected", addr)
	}
	if got := s.Replica.Do(t, "GET", "k"); got != "v" {
		t.Errorf("the new master holds %v", got)
	}
	// The old one comes back as a replica.
	if err := s.Master.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(sentinelDeadline); ; time.Sleep(10 * time.Millisecond) {
		// A server that becomes a replica drops its clients, so there may be none.
		if info, err := s.Master.Call("INFO", "replication"); err == nil && strings.Contains(fmt.Sprint(info), "role:slave") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the old master stays one")
		}
	}
}

//go:build linux

package site

import (
	"fmt"
	"strconv"
	"time"

	"rest-sessions/internal/redistest"
)

// replicaLimit bounds the steps of replication.
const replicaLimit = time.Minute

// StartReplica starts a replica of Redis and returns it when it has all. Close ends it. Redis
// should have the argument --repl-diskless-sync-delay 0: else it waits 5 s for others.
func (s *Site) StartReplica() (*redistest.Server, error) {
	var err error
	if s.replica, err = redistest.Run("--replicaof", "127.0.0.1 "+strconv.Itoa(s.Redis.Port())); err != nil {
		return nil, err
	}
	return s.replica, until("a replica in sync", func() bool {
		return s.replica.Field("INFO replication", "master_link_status") == "up"
	})
}

// FailOver makes the replica the master, and the master its replica, without a loss: Redis
// takes no write until the replica has all. The proxy leads where it did.
func (s *Site) FailOver() error {
	if err := until("a failover", func() bool {
		reply, err := s.Redis.Call("FAILOVER", "TO", "127.0.0.1", strconv.Itoa(s.replica.Port()))
		return err == nil && reply == "OK"
	}); err != nil {
		return err
	}
	return until("the end of a failover", func() bool { return s.Redis.Role() == "slave" && s.replica.Role() == "master" })
}

// until polls.
func until(what string, is func() bool) error {
	for deadline := time.Now().Add(replicaLimit); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("no %s within %v", what, replicaLimit)
		}
	}
	return nil
}

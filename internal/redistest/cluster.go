//go:build unix

package redistest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// clusterSlots is how many hash slots a Redis Cluster has.
	clusterSlots = 16384
	// clusterDeadline is how long the nodes may take to agree, and a replica to be
	// in sync.
	clusterDeadline = time.Minute
)

// Cluster is a Redis Cluster: masters that share the slots evenly, and as many
// replicas.
type Cluster struct {
	// Masters[i] has the i-th share of the slots, and Replicas[i] is its replica,
	// until a test changes that.
	Masters, Replicas []*Server
}

// StartCluster starts a cluster of 3 masters, with 3 replicas if replicated, and
// ends it with the test. args are appended to the command line of each node. See
// Start for a machine without a redis-server.
func StartCluster(tb testing.TB, replicated bool, args ...string) *Cluster {
	tb.Helper()
	SkipShort(tb)
	c, err := RunCluster(replicated, args...)
	if errors.Is(err, ErrNoServer) && os.Getenv(RequireEnv) != "1" {
		tb.Skipf("%v: this test needs one (%s=1 makes this a failure)", err, RequireEnv)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// SkipShort skips a test that needs several servers under -short: they take seconds to agree.
func SkipShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("not with -short")
	}
}

// RunCluster is StartCluster without a testing.TB: the caller ends the cluster
// with Close.
func RunCluster(replicated bool, args ...string) (*Cluster, error) {
	const masters = 3
	nodes := masters
	if replicated {
		nodes *= 2
	}
	c := &Cluster{}
	all := make([]*Server, nodes)
	errs := make([]error, nodes)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			all[i], errs[i] = Run(append([]string{
				"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
				// While a node is gone, the slots of the others are served.
				"--cluster-require-full-coverage", "no",
			}, args...)...)
		})
	}
	wg.Wait()
	for _, s := range all {
		if s == nil {
			continue
		}
		if len(c.Masters) < masters {
			c.Masters = append(c.Masters, s)
		} else {
			c.Replicas = append(c.Replicas, s)
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		err = c.form()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Nodes returns all nodes.
func (c *Cluster) Nodes() []*Server {
	return append(c.Masters[:len(c.Masters):len(c.Masters)], c.Replicas...)
}

// Close ends all nodes.
func (c *Cluster) Close() {
	var wg sync.WaitGroup
	for _, s := range c.Nodes() {
		wg.Go(s.Close)
	}
	wg.Wait()
}

// form makes one cluster of the nodes and waits until each serves.
func (c *Cluster) form() error {
	for i, s := range c.Masters {
		first, end := i*clusterSlots/len(c.Masters), (i+1)*clusterSlots/len(c.Masters)
		// Epochs of their own, so that they need not agree on that first.
		if err := ok(s, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if err := ok(s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(end-1)); err != nil {
			return err
		}
	}
	nodes := c.Nodes()
	for _, s := range nodes[1:] {
		if err := ok(s, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(nodes[0].Port())); err != nil {
			return err
		}
	}
	if err := c.await("the nodes know each other", func() bool {
		for _, s := range nodes {
			if s.Field("CLUSTER INFO", "cluster_known_nodes") != strconv.Itoa(len(nodes)) {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	for i, s := range c.Replicas {
		id, err := c.Masters[i].ID()
		if err != nil {
			return err
		}
		// It may know the node by a name only that it has made up until they shook
		// hands.
		if err := c.await("a replica takes its master", func() bool {
			return ok(s, "CLUSTER", "REPLICATE", id) == nil
		}); err != nil {
			return err
		}
	}
	return c.await("each node serves", func() bool {
		for _, s := range nodes {
			if s.Field("CLUSTER INFO", "cluster_state") != "ok" ||
				s.Field("CLUSTER INFO", "cluster_slots_assigned") != strconv.Itoa(clusterSlots) {
				return false
			}
		}
		for _, s := range c.Replicas {
			if s.Field("INFO replication", "master_link_status") != "up" {
				return false
			}
		}
		return true
	})
}

// await polls until done.
func (c *Cluster) await(what string, done func() bool) error {
	for deadline := time.Now().Add(clusterDeadline); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("redistest: not within %v: %s", clusterDeadline, what)
		}
	}
	return nil
}

// ID returns the name that a cluster's node has among the nodes.
func (s *Server) ID() (string, error) {
	reply, err := s.Call("CLUSTER", "MYID")
	if err != nil {
		return "", err
	}
	id, isText := reply.(string)
	if !isText {
		return "", fmt.Errorf("redistest: CLUSTER MYID: %v", reply)
	}
	return id, nil
}

// Role returns what a server says that it is: master or slave; "" without an
// answer.
func (s *Server) Role() string { return s.Field("INFO replication", "role") }

// Move moves a slot with all its keys from one master to another, in batches of
// keys, as redis-cli --cluster reshard does.
func (c *Cluster) Move(slot int, from, to *Server, batch int) error {
	if err := c.BeginMove(slot, from, to); err != nil {
		return err
	}
	for {
		reply, err := from.Call("CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), strconv.Itoa(batch))
		if err != nil {
			return err
		}
		list, isList := reply.([]any)
		if !isList {
			return fmt.Errorf("redistest: CLUSTER GETKEYSINSLOT: %v", reply)
		}
		if len(list) == 0 {
			return c.EndMove(slot, from, to)
		}
		keys := make([]string, len(list))
		for i, key := range list {
			keys[i] = fmt.Sprint(key)
		}
		if err := c.MoveKeys(from, to, keys...); err != nil {
			return err
		}
	}
}

// BeginMove tells two masters that a slot is about to move.
func (c *Cluster) BeginMove(slot int, from, to *Server) error {
	fromID, err := from.ID()
	if err != nil {
		return err
	}
	toID, err := to.ID()
	if err != nil {
		return err
	}
	if err := ok(to, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "IMPORTING", fromID); err != nil {
		return err
	}
	return ok(from, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "MIGRATING", toID)
}

// MoveKeys moves some keys of a slot that is moving.
func (c *Cluster) MoveKeys(from, to *Server, keys ...string) error {
	migrate := []string{"MIGRATE", "127.0.0.1", strconv.Itoa(to.Port()), "", "0", "5000", "KEYS"}
	return ok(from, append(migrate, keys...)...)
}

// EndMove gives a slot, whose keys have all moved, to the new master.
func (c *Cluster) EndMove(slot int, from, to *Server) error {
	toID, err := to.ID()
	if err != nil {
		return err
	}
	// The new master first: until the old one knows, it sends clients there.
	nodes := []*Server{to, from}
	for _, s := range c.Masters {
		if s != to && s != from {
			nodes = append(nodes, s)
		}
	}
	for _, s := range nodes {
		if err := ok(s, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", toID); err != nil {
			return err
		}
	}
	return nil
}

// Agreed reports whether all masters say the same of each other's epochs and slots.
// Until they do, a master that is given a slot may take an epoch that another has
// already, and then Redis itself may forget whose the slot is.
func (c *Cluster) Agreed() bool {
	var first []string
	for _, s := range c.Masters {
		reply, err := s.Call("CLUSTER", "NODES")
		if err != nil {
			return false
		}
		var view []string
		for line := range strings.Lines(fmt.Sprint(reply)) {
			// id, address, flags, master, ping, pong, epoch, link, slots …
			f := strings.Fields(line)
			if len(f) > 8 && strings.Contains(f[2], "master") {
				view = append(view, f[0]+" "+strings.Join(append(f[6:7:7], f[8:]...), " "))
			}
		}
		slices.Sort(view)
		if first == nil {
			first = view
		}
		if len(view) != len(c.Masters) || !slices.Equal(first, view) {
			return false
		}
	}
	return true
}

// ok sends a command that answers OK or NOKEY.
func ok(s *Server, args ...string) error {
	reply, err := s.Call(args...)
	if err != nil {
		return fmt.Errorf("redistest: %q: %w", args[:2], err)
	}
	if reply != "OK" && reply != "NOKEY" {
		return fmt.Errorf("redistest: %q: %v", args[:2], reply)
	}
	return nil
}

// Field returns a field of what a command of two words tells in lines.
func (s *Server) Field(command, name string) string {
	reply, err := s.Call(strings.Fields(command)...)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(fmt.Sprint(reply)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+":"); found {
			return value
		}
	}
	return ""
}

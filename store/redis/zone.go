package redis

import (
	"fmt"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// maxInFlight bounds the callers that wait for Redis at once. rueidis ignores a
// context while its rings are full (two connections of 1024 commands), and a
// command stays in the ring after its caller's time is up. A silent Redis is
// found out within 1.5 timeouts (see clientOption), so at most three rounds of
// callers can have left theirs there: 1536.
const maxInFlight = 512

// zone is where calls for a range of slots wait. A node that does not answer fills
// the zones of its slots, and those of others go on. One Redis has
// layout.ClassicGroup alone.
type zone struct {
	// places bounds the round trips in flight.
	places chan struct{}
	// reader takes the reads, and detailed those that want a session's details.
	reader, detailed *reader
	// pipeline takes the calls that are short and that clients wait for.
	pipeline *pipeline
}

func newZone(s *Store, index int) zone {
	places := maxInFlight
	if index != layout.ClassicGroup {
		places /= layout.ClusterGroups
	}
	sharded := index != layout.ClassicGroup
	return zone{
		places:   make(chan struct{}, places),
		reader:   newReader(s, sharded, false),
		detailed: newReader(s, sharded, true),
		pipeline: newPipeline(s, sharded),
	}
}

// errOtherLayout is of calls whose keys were named for what stood there before: one
// Redis where now is a Redis Cluster.
var errOtherLayout = fmt.Errorf("%w: the server has been replaced by one of another kind", store.ErrUnavailable)

// onCluster reports whether what we are connected to is a Redis Cluster.
func (s *Store) onCluster() bool {
	conn := s.connector.made.Load()
	return conn != nil && conn.layout.Sharded()
}

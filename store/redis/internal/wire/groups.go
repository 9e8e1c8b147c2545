package wire

import "rest-sessions/store/redis/internal/layout"

// maxInFlight bounds the callers that wait for Redis at once. rueidis ignores a
// context while its rings are full (two connections of 1024 commands), and a
// command stays in the ring after its caller has given up. A silent Redis is
// found out within 1.5 timeouts (see clientOption), so at most three rounds of
// callers can have left theirs there: 1536.
const maxInFlight = 512

// group is what calls to one group of slots share: see layout.Groups.
type group struct {
	inFlight semaphore
	pipeline *pipeline
}

func newGroup(c *Client, index int) group {
	calls, sharded := maxInFlight, index != layout.ClassicGroup
	if sharded {
		calls /= layout.ClusterGroups
	}
	return group{inFlight: newSemaphore(calls), pipeline: newPipeline(c, sharded)}
}

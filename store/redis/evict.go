package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// eviction is whether Redis can evict sessions, or the index entries by which lists and
// kills find them, when its memory is short. Then scripts that count as activity write all
// entries of what they touch (see touch.lua).
type eviction struct {
	can   atomic.Bool
	known atomic.Bool // whether Redis has answered
	logf  func(format string, args ...any)
	watch Observer

	mu     sync.Mutex
	logged string // the last line
}

// flag is the argument that tells a script.
func (e *eviction) flag() string {
	if e.can.Load() {
		return "1"
	}
	return ""
}

// ask asks Redis, all nodes of a cluster, and logs what is new. One that does not answer
// is asked again with the next wipe, or once writes work if nothing was known before.
func (e *eviction) ask(ctx context.Context, client rueidis.Client, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	can, policy, silent := false, "", false
	for addr, node := range client.Nodes() {
		info, err := node.Do(ctx, node.B().Info().Section("memory").Build().ToPipe()).ToString()
		if _, said := rueidis.IsRedisErr(err); said {
			e.known.Store(true)
			e.log(fmt.Sprintf("warning: redis: it is not known whether Redis can evict sessions, because it refuses INFO at %s: %v", addr, err))
			return
		} else if err != nil {
			silent = true
			continue
		}
		if p := memoryPolicy(info); strings.HasPrefix(p, "allkeys-") {
			can, policy = true, p
		}
	}
	if silent && !can {
		return
	}
	e.known.Store(true)
	e.can.Store(can)
	e.watch.Evicts(can)
	if can {
		e.log(fmt.Sprintf("warning: redis: with maxmemory-policy %s Redis ends sessions when its memory is short, "+
			"and lists and kills may miss some for a while: set noeviction or a volatile- policy", policy))
	} else {
		e.log("")
	}
}

// log writes a line that differs from the last; an empty one means that all is well again.
func (e *eviction) log(line string) {
	e.mu.Lock()
	last := e.logged
	e.logged = line
	e.mu.Unlock()
	switch {
	case line == last:
	case line != "":
		e.logf("%s", line)
	default:
		e.logf("redis: Redis does not evict sessions")
	}
}

// memoryPolicy returns the policy of which INFO memory tells, or "" if memory has no
// limit, so that there is none in force.
func memoryPolicy(info string) string {
	limit, policy := int64(0), ""
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "maxmemory":
			limit, _ = strconv.ParseInt(value, 10, 64)
		case "maxmemory_policy":
			policy = value
		}
	}
	if limit == 0 {
		return ""
	}
	return policy
}

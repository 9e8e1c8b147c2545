package handlers

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// crowdSize is how many connections must have gone for their memory to be given back:
	// some 20 MiB.
	crowdSize = 1000
	// crowdCheck is how often that is looked at. It is longer than fasthttp keeps the
	// goroutine of a connection that is gone, 10 s.
	crowdCheck = 15 * time.Second
)

// GiveBack gives the memory of a crowd of connections back to the system when it has left,
// until ctx ends. By itself the Go runtime would keep it until the next collections, and a
// server that has little to do since makes too little garbage for one: it would have to
// wait for those that come every two minutes, and more than one, since fasthttp's pools
// outlast the first.
func GiveBack(ctx context.Context, s *fasthttp.Server) {
	ticker := time.NewTicker(crowdCheck)
	defer ticker.Stop()
	var t tide
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if t.out(int(s.GetOpenConnectionsCount())) {
				runtime.GC()
				debug.FreeOSMemory() // collects again
			}
		}
	}
}

// tide watches how many connections there are.
type tide struct {
	most int  // since the last time that it was out
	low  bool // at the last look
}

// out reports whether most of a crowd has left, and was gone at the last look too: once.
func (t *tide) out(connections int) bool {
	t.most = max(t.most, connections)
	low := t.most-connections >= crowdSize && connections <= t.most/2
	out := low && t.low
	t.low = low
	if out {
		t.most, t.low = connections, false
	}
	return out
}

package bench

import (
	"testing"
	"time"
)

// A burst is a page view: a user's browser asks ten times within 200 ms, and then not for
// half a minute. 100,000 users make 33,000 requests a second so, more than two cores do. So
// this is a tenth of their rate: 64 clients play one user after the other, and of 100,000
// sessions that are there they use 3,200, each every half minute of real time.
const (
	burstGets    = 10
	burstGap     = 20 * time.Millisecond
	burstRate    = float64(connections) * float64(time.Second) / float64(burstGap)
	burstViews   = 10 // of a client, in a slice
	burstUsers   = 50 // of a client
	burstPeriods = burstUsers / burstViews
	// burstSlice is ten page views; its first get is what connects.
	burstSlice = (burstViews*burstGets - 1) * burstGap
	// burstRest is what reads that were answered near may take to be counted, and more:
	// what that costs belongs to the slice. With two sides, each user then comes every
	// burstPeriods x 2 x (burstSlice + burstRest) = 32 s.
	burstRest = 1200 * time.Millisecond
)

// bursts knows whose turn it is for each client.
type bursts struct {
	lines [][]byte
	next  [connections]int
}

// requests makes the requests of a client: it begins with a page view of the next user.
func (b *bursts) requests(client int) request {
	sent := 0
	return func() []byte {
		user := client + b.next[client]%burstUsers*connections
		if sent++; sent%burstGets == 0 {
			b.next[client]++
		}
		return b.lines[user]
	}
}

// bursts returns a run of one slice of page views.
func (s *site) bursts(tb testing.TB) func() figures {
	b := &bursts{lines: getLines(s.tokens, func(token string) string { return "/" + app + "/get/" + token + " HTTP/1.1" })}
	return func() figures {
		return measured(tb, s.process, s.redis, func() load {
			l := pacedLoop(tb, s.addr, b.requests, burstSlice, burstRate)
			time.Sleep(burstRest)
			return l
		})
	}
}

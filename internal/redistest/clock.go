package redistest

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// Clock makes a clock that scripts can ask instead of Redis' own: the Lua expression
// takes the place of redis.call('TIME'), and set moves the clock, in Unix seconds. It
// stands still between; its microseconds count calls, as a real clock never says the
// same twice. name tells the clocks of a server apart.
func (s *Server) Clock(tb testing.TB, name string) (expression string, set func(now int64)) {
	tb.Helper()
	set = func(now int64) { s.Do(tb, "SET", name+"-clock", strconv.FormatInt(now, 10)) }
	return fmt.Sprintf("({redis.call('GET', '%[1]s-clock'), redis.call('INCR', '%[1]s-clock-us')})", name), set
}

// Clock is Server.Clock for all masters. The time is the name of a channel that each
// of them has a subscriber of, since a script may read no key but its own. Its
// microseconds go up for a hundred seconds of real time.
func (c *Cluster) Clock(tb testing.TB, name string) (expression string, set func(now int64)) {
	tb.Helper()
	var subscribers []*Subscriber
	for _, node := range c.Masters {
		subscribers = append(subscribers, node.Subscribe(tb))
	}
	before := ""
	set = func(now int64) {
		channel := fmt.Sprintf("%s-clock:%d", name, now)
		if channel == before {
			return
		}
		for _, s := range subscribers {
			s.Swap(tb, before, channel)
		}
		before = channel
	}
	return fmt.Sprintf(`({string.match(redis.call('PUBSUB', 'CHANNELS', '%s-clock:*')[1], '%%d+$'),`+
		` math.floor((redis.call('TIME')[1] - %d) * 10000 + redis.call('TIME')[2] / 100)})`, name, time.Now().Unix()), set
}

package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// maxPipelined bounds the calls of one flight of the pipeline. One holds Redis for
// 10 to 20 us.
const maxPipelined = 64

// script is a script and the name that Redis knows it by.
type script struct {
	*rueidis.Lua
	text, sha string
}

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{rueidis.NewLuaScript(text), text, hex.EncodeToString(sum[:])}
}

// noScript reports whether Redis refused a call because it does not hold the
// script (yet, or any more): nothing was done.
func noScript(err error) bool {
	said, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(said.Error(), "NOSCRIPT")
}

// pipeline sends the short calls of many clients, each of one script, in shared
// flights. rueidis writes what comes while it writes in one go too, but a lone call
// costs both sides a system call and a waking, and those are most of it: 64 clients
// that create sessions cost the server a fifth less so.
type pipeline struct {
	s       *Store
	sharded bool // whether the keys are those of the sharded layout
	lane    lane[*call, pipelineCargo]
	calls   sync.Pool // of *call
}

// call is one call of a script.
type call struct {
	seat
	script     *script
	keys, args []string
	reply      rueidis.RedisMessage
	err        error
}

// pipelineCargo is what a flight sends.
type pipelineCargo struct{ commands rueidis.Commands }

func newPipeline(s *Store, sharded bool) *pipeline {
	p := &pipeline{s: s, sharded: sharded}
	p.calls.New = func() any { return &call{seat: newSeat()} }
	p.lane = lane[*call, pipelineCargo]{
		most: func() int { return maxPipelined }, send: p.send, answer: func(*flight[*call, pipelineCargo]) {},
		timeout: s.timeout, circuit: s.circuit,
	}
	return p
}

// exec runs a script with the next flight. Keys and args must not alias memory of
// the caller, as for Store.exec.
func (p *pipeline) exec(ctx context.Context, script *script, keys, args []string) (rueidis.RedisMessage, error) {
	c := p.calls.Get().(*call)
	c.script, c.keys, c.args = script, keys, args
	if err := p.lane.ride(ctx, c); err != nil {
		return rueidis.RedisMessage{}, err
	}
	reply, err := c.reply, c.err
	c.script, c.keys, c.args, c.reply, c.err = nil, nil, nil, rueidis.RedisMessage{}, nil
	p.calls.Put(c)
	return reply, err
}

// send makes the calls of f. Like reader.send it has no deadline.
func (p *pipeline) send(f *flight[*call, pipelineCargo]) {
	ctx := context.Background()
	conn, err := p.s.connector.current(ctx)
	if err == nil && conn.layout.Sharded() != p.sharded {
		err = errOtherLayout
	}
	if err != nil {
		for _, c := range f.passengers {
			c.err = err
		}
		return
	}
	client := conn.client
	start := time.Now()
	commands := f.cargo.commands[:0]
	for _, c := range f.passengers {
		commands = append(commands,
			client.B().Evalsha().Sha1(c.script.sha).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build())
	}
	if len(commands) == 1 {
		f.passengers[0].take(client.Do(ctx, commands[0]).ToMessage())
	} else {
		for i, result := range client.DoMulti(ctx, commands...) {
			f.passengers[i].take(result.ToMessage())
		}
	}
	f.cargo.commands = commands
	p.s.watch.RoundTrip(time.Since(start))
	for _, c := range f.passengers {
		if _, said := rueidis.IsRedisErr(c.err); c.err != nil && !said {
			f.lost = true
		}
	}
	if !f.lost { // else rueidis may still be writing them to a connection that broke
		clear(commands)
	}
	for _, c := range f.passengers {
		if noScript(c.err) {
			c.take(c.script.Exec(ctx, client, c.keys, c.args).ToMessage())
		}
		if c.again = slotIsMoving(c.err); c.again {
			continue
		}
		p.s.note(c.err)
		if c.err != nil {
			p.s.connector.heed(conn, c.err)
			c.err = classify(c.err)
		} else {
			p.s.writes.wrote(start)
		}
	}
}

func (c *call) take(reply rueidis.RedisMessage, err error) { c.reply, c.err = reply, err }

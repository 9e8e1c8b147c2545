package wire

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// maxPipelined bounds the calls of one batch of the pipeline. One holds Redis for
// 10 to 20 us.
const maxPipelined = 64

// pipeline sends the short calls of many clients, each of one script, in shared
// batches. rueidis writes what comes while it writes in one go too, but a lone call
// costs both sides a system call and a waking, and those are most of it: 64 clients
// that create sessions cost the server a fifth less so.
type pipeline struct {
	client  *Client
	sharded bool // whether the keys are those of the sharded layout
	batcher *Batcher[*call, pipelinePayload]
	calls   sync.Pool // of *call
}

// call is one call of a script.
type call struct {
	Wait
	command Command
	reply   rueidis.RedisMessage
	err     error
}

// pipelinePayload is what a batch sends.
type pipelinePayload struct{ commands rueidis.Commands }

func newPipeline(c *Client, sharded bool) *pipeline {
	p := &pipeline{client: c, sharded: sharded}
	p.calls.New = func() any { return &call{Wait: NewWait()} }
	p.batcher = NewBatcher(c, func() int { return maxPipelined }, p.send, func(*Batch[*call, pipelinePayload]) {})
	return p
}

// run runs a script with the next batch. Keys and args must not alias memory of the
// caller, as for Client.Run.
func (p *pipeline) run(ctx context.Context, command Command) (rueidis.RedisMessage, error) {
	c := p.calls.Get().(*call)
	c.command = command
	if err := p.batcher.Do(ctx, c); err != nil {
		return rueidis.RedisMessage{}, err
	}
	reply, err := c.reply, c.err
	c.command, c.reply, c.err = Command{}, rueidis.RedisMessage{}, nil
	p.calls.Put(c)
	return reply, err
}

// send makes the calls of a batch. It has no deadline, since each caller has one (see
// Batcher.expire); it ends at the latest when rueidis gives up a silent connection.
func (p *pipeline) send(b *Batch[*call, pipelinePayload]) {
	ctx := b.Context()
	conn, err := p.client.Current(ctx)
	if err == nil && conn.Layout.Sharded() != p.sharded {
		err = ErrOtherLayout
	}
	if err != nil {
		for _, c := range b.Waiters {
			c.err = err
		}
		return
	}
	start := time.Now()
	if len(b.Waiters) == 1 {
		c := b.Waiters[0]
		c.reply, c.err = c.command.Do(ctx, conn.Client)
		b.InUse = unanswered(c.err)
	} else {
		p.sendMany(ctx, conn.Client, b)
	}
	p.client.Observer.RoundTrip(time.Since(start))
	for _, c := range b.Waiters {
		if c.Retry = SlotIsMoving(c.err); c.Retry {
			continue
		}
		if c.err = p.client.Outcome(conn, c.err); c.err == nil {
			p.client.Wrote(start)
		}
	}
}

func (p *pipeline) sendMany(ctx context.Context, client rueidis.Client, b *Batch[*call, pipelinePayload]) {
	commands := b.Payload.commands[:0]
	for _, c := range b.Waiters {
		commands = append(commands, c.command.build(ctx, client, false))
	}
	b.Payload.commands = commands
	of := func(i int) *Command { return &b.Waiters[i].command }
	for i, result := range sendBuilt(ctx, client, commands, of) {
		c := b.Waiters[i]
		c.reply, c.err = result.ToMessage()
		b.InUse = b.InUse || unanswered(c.err)
	}
	if !b.InUse { // else rueidis may still be writing them to a connection that broke
		clear(commands)
	}
}

// unanswered reports whether err is not of Redis.
func unanswered(err error) bool { return err != nil && !refuses(err) }

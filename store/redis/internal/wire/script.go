package wire

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"github.com/redis/rueidis"
)

// Script is a Lua script and the name that Redis knows it by.
type Script struct{ Text, sha string }

// NewScript makes a script of its text.
func NewScript(text string) *Script {
	sum := sha1.Sum([]byte(text))
	return &Script{text, hex.EncodeToString(sum[:])}
}

// Command is a script call, or without a script the command that Args begin with,
// with Keys as its next words.
type Command struct {
	Script     *Script
	Keys, Args []string
}

// build makes the command for rueidis; text sends the script itself, not its name.
func (c *Command) build(client rueidis.Client, text bool) rueidis.Completed {
	n := int64(len(c.Keys))
	switch {
	case c.Script == nil:
		return client.B().Arbitrary(c.Args[0]).Keys(c.Keys...).Args(c.Args[1:]...).Build()
	case text:
		return client.B().Eval().Script(c.Script.Text).Numkeys(n).Key(c.Keys...).Arg(c.Args...).Build()
	}
	return client.B().Evalsha().Sha1(c.Script.sha).Numkeys(n).Key(c.Keys...).Arg(c.Args...).Build()
}

// Do makes one call, and again with the script's text if Redis does not hold it.
func (c *Command) Do(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
	reply, err := client.Do(ctx, c.build(client, false)).ToMessage()
	if noScript(err) {
		reply, err = client.Do(ctx, c.build(client, true)).ToMessage()
	}
	return reply, err
}

// Send makes calls in one go, pipelined node by node, and again those whose script a
// node does not hold.
func Send(ctx context.Context, client rueidis.Client, commands []Command) []rueidis.RedisResult {
	built := make(rueidis.Commands, len(commands))
	for i := range commands {
		built[i] = commands[i].build(client, false)
	}
	return sendBuilt(ctx, client, built, func(i int) *Command { return &commands[i] })
}

// sendBuilt is Send of commands that are built already; of returns that of an index.
func sendBuilt(ctx context.Context, client rueidis.Client, built rueidis.Commands, of func(int) *Command) []rueidis.RedisResult {
	results := client.DoMulti(ctx, built...)
	var unknown []int
	var texts rueidis.Commands
	for i, r := range results {
		if noScript(r.Error()) {
			unknown, texts = append(unknown, i), append(texts, of(i).build(client, true))
		}
	}
	if len(texts) > 0 {
		for i, r := range client.DoMulti(ctx, texts...) {
			results[unknown[i]] = r
		}
	}
	return results
}

// noScript reports whether Redis refused a call because it does not hold the
// script (yet, or any more): nothing was done.
func noScript(err error) bool {
	said, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(said.Error(), "NOSCRIPT")
}

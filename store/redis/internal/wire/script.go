package wire

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
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

// build makes the command for rueidis; text sends the script itself, not its name. Only
// the calls of a batch have a connection to themselves.
func (c *Command) build(ctx context.Context, client rueidis.Client, text bool) rueidis.Completed {
	n := int64(len(c.Keys))
	var built rueidis.Completed
	switch {
	case c.Script == nil:
		built = client.B().Arbitrary(c.Args[0]).Keys(c.Keys...).Args(c.Args[1:]...).Build()
	case text:
		built = client.B().Eval().Script(c.Script.Text).Numkeys(n).Key(c.Keys...).Arg(c.Args...).Build()
	default:
		built = client.B().Evalsha().Sha1(c.Script.sha).Numkeys(n).Key(c.Keys...).Arg(c.Args...).Build()
	}
	if isBatch(ctx) {
		return built
	}
	return built.ToPipe()
}

// Do makes one call, and again what was not executed: with the script's text if Redis does
// not hold it, and on another connection if the first was closed before.
func (c *Command) Do(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
	reply, err := client.Do(ctx, c.build(ctx, client, false)).ToMessage()
	for text, attempt := false, 0; ; attempt++ {
		if noScript(err) && !text {
			text = true
		} else if attempt > maxBatchConns || !errors.Is(err, errStale) {
			return reply, err
		}
		reply, err = client.Do(ctx, c.build(ctx, client, text)).ToMessage()
	}
}

// Send makes calls in one go, pipelined node by node, and again what was not executed: see
// Command.Do.
func Send(ctx context.Context, client rueidis.Client, commands []Command) []rueidis.RedisResult {
	built := make(rueidis.Commands, len(commands))
	for i := range commands {
		built[i] = commands[i].build(ctx, client, false)
	}
	return sendBuilt(ctx, client, built, func(i int) *Command { return &commands[i] })
}

// sendBuilt is Send of commands that are built already; of returns that of an index.
func sendBuilt(ctx context.Context, client rueidis.Client, built rueidis.Commands, of func(int) *Command) []rueidis.RedisResult {
	results := client.DoMulti(ctx, built...)
	for range maxBatchConns {
		var left []int
		var again rueidis.Commands
		for i, r := range results {
			if err := r.Error(); noScript(err) || errors.Is(err, errStale) {
				left, again = append(left, i), append(again, of(i).build(ctx, client, noScript(err)))
			}
		}
		if len(again) == 0 {
			break
		}
		for i, r := range client.DoMulti(ctx, again...) {
			results[left[i]] = r
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

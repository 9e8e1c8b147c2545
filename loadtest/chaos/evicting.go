//go:build linux

package main

import (
	"fmt"
	"strconv"
	"time"
)

// evicting has Redis evict keys when it holds 8 MiB. A larger sample finds the oldest
// better.
var evicting = []string{"--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10"}

const (
	// fillers is how many keys of 10,000 bytes leave no memory for sessions.
	fillers = 700
	// fillerStep is how many of them are written at once, and what a pause follows.
	fillerStep  = 10
	fillerPause = 20 * time.Millisecond

	fillScript  = `for i = ARGV[1], ARGV[2] do redis.call('SET', 'filler:' .. i, string.rep('x', 10000)) end return 1`
	emptyScript = `for i = 1, ARGV[1] do redis.call('DEL', 'filler:' .. i) end return 1`
)

// evict has keys of others push sessions out of Redis, until there is room again.
func evict(t *trial, f *form) error {
	t.model.Evicting()
	written := 0
	fill := func(n int) error {
		first := written + 1
		written += n
		return t.site.Command("EVAL", fillScript, "0", strconv.Itoa(first), strconv.Itoa(written))
	}
	if err := fill(fillers); err != nil {
		return err
	}
	for end := time.Now().Add(f.hold); time.Now().Before(end); time.Sleep(fillerPause) {
		if err := fill(fillerStep); err != nil {
			return err
		}
	}
	if err := t.site.Command("EVAL", emptyScript, "0", strconv.Itoa(written)); err != nil {
		return err
	}
	return t.site.Command("CONFIG", "SET", "maxmemory", "1gb")
}

// evicted says how much was.
func evicted(t *trial) (string, error) {
	keys := t.site.Redis.Field("INFO stats", "evicted_keys")
	sessions, left := t.model.Evicted(), t.model.Living()
	if sessions == 0 || left == 0 {
		return "", fmt.Errorf("%s keys were evicted, %d sessions, and %d were left: the fault was none, or the end of all", keys, sessions, left)
	}
	return fmt.Sprintf("%s keys were evicted, %d sessions among them; %d sessions were left", keys, sessions, left), nil
}

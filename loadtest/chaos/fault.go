//go:build linux

package main

import (
	"fmt"
	"strconv"
	"time"
)

// fault is one way to fail.
type fault struct {
	name  string
	redis []string // arguments of redis-server
	proxy bool
	// gentle says that requests may all be served.
	gentle bool
	// strike makes Redis fail, holds that, mends it, and returns when Redis itself
	// serves again.
	strike func(*trial, time.Duration) error
}

// durable keeps everything that was acknowledged over a restart.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

var faults = []fault{
	{name: "killed, restarted with its data", redis: durable, strike: func(r *trial, hold time.Duration) error {
		r.site.redis.Stop()
		time.Sleep(hold)
		return r.site.redis.Restart()
	}},
	{name: "killed, restarted empty", strike: func(r *trial, hold time.Duration) error {
		r.site.redis.Stop()
		time.Sleep(hold)
		// While it is gone, so that whatever is read from now on is of the empty one.
		r.model.Emptied()
		return r.site.redis.Restart()
	}},
	{name: "stopped (SIGSTOP)", strike: func(r *trial, hold time.Duration) error {
		r.site.redis.Pause()
		time.Sleep(hold)
		r.site.redis.Resume()
		return r.site.command("PING")
	}},
	{name: "stopped for less than RS_TIMEOUT", gentle: true, strike: func(r *trial, hold time.Duration) error {
		for range 3 {
			r.site.redis.Pause()
			time.Sleep(r.form.timeout / 2)
			r.site.redis.Resume()
			time.Sleep(r.form.timeout / 4)
		}
		return r.site.command("PING")
	}},
	{name: "read-only (replica)", strike: func(r *trial, hold time.Duration) error {
		// Its master's port is one where nobody listens: it keeps what it has.
		if err := r.site.command("REPLICAOF", "127.0.0.1", "1"); err != nil {
			return err
		}
		time.Sleep(hold)
		return r.site.command("REPLICAOF", "NO", "ONE")
	}},
	{name: "out of memory (noeviction)", strike: func(r *trial, hold time.Duration) error {
		if err := r.site.command("CONFIG", "SET", "maxmemory", "1"); err != nil {
			return err
		}
		time.Sleep(hold)
		return r.site.command("CONFIG", "SET", "maxmemory", "0")
	}},
	{
		name: "loading",
		// A key takes long to load, and requests are looked at between keys.
		redis: append([]string{"--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"}, durable...),
		strike: func(r *trial, hold time.Duration) error {
			// So many keys that loading takes about the time to hold.
			const fill = `for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'filler:' .. i, string.rep('x', 100)) end return 1`
			if err := r.site.command("EVAL", fill, "0", strconv.Itoa(int(hold/(200*time.Microsecond)))); err != nil {
				return err
			}
			r.struck() // only now
			r.site.redis.Stop()
			return r.site.redis.Restart()
		},
	},
	{name: "held for 3 s by a script", strike: func(r *trial, hold time.Duration) error {
		const spin = `local function now() local t = redis.call('TIME') return t[1] + t[2] / 1e6 end
			local start = now()
			while now() - start < 3 do end
			return 1`
		return r.site.command("EVAL", spin, "0")
	}},
	{name: "connections cut in mid-reply", proxy: true, gentle: true, strike: cutting(func(i int) float64 { return float64(1+i%9) / 10 })},
	{name: "connections cut before the reply", proxy: true, gentle: true, strike: cutting(func(int) float64 { return 0 })},
	{name: "scripts flushed", gentle: true, strike: func(r *trial, hold time.Duration) error {
		for end := time.Now().Add(hold); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if err := r.site.command("SCRIPT", "FLUSH"); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "clients disconnected (CLIENT KILL)", gentle: true, strike: func(r *trial, hold time.Duration) error {
		for end := time.Now().Add(hold); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if err := r.site.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
				return err
			}
		}
		return nil
	}},
}

// cutting breaks a connection every 50 ms, after Redis has executed what came on it.
// part is how much of the i-th reply is passed on.
func cutting(part func(i int) float64) func(*trial, time.Duration) error {
	return func(r *trial, hold time.Duration) error {
		for i, end := 0, time.Now().Add(hold); time.Now().Before(end); i++ {
			r.site.proxy.Cut("EVALSHA", part(i))
			time.Sleep(50 * time.Millisecond)
		}
		r.site.proxy.Cut("no such command", 0)
		if r.site.proxy.Cuts() < 5 {
			return fmt.Errorf("only %d connections were cut", r.site.proxy.Cuts())
		}
		return nil
	}
}

//go:build linux

package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// fault is one way to fail.
type fault struct {
	name  string
	redis []string // arguments of redis-server
	proxy bool
	// near has the server answer reads from memory (RS_CACHE).
	near bool
	// password is what Redis asks for at first, and the server reads from a file; "" is none.
	password string
	// gentle says that requests may all be served.
	gentle bool
	// strike makes Redis fail, holds that, mends it, and returns when Redis itself
	// serves again.
	strike func(*trial, *form) error
	// audit prepares the reading of every session, after the load; nil: nothing.
	audit func(*trial)
	// proof says, at the end, what the fault did, or that it was none; nil: that shows.
	proof func(*trial) (string, error)
}

// nearReads begins the names of faults of a server that has them.
const nearReads = "near reads: "

// durable keeps everything that was acknowledged over a restart.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

var faults = []fault{
	{name: "killed, restarted with its data", redis: durable, strike: func(t *trial, f *form) error {
		t.silence(t.site.Redis.Stop, f.hold)
		return t.site.Redis.Restart()
	}},
	{name: "killed, restarted empty", strike: emptied},
	{name: "stopped (SIGSTOP)", strike: stopped},
	{name: "stopped for less than RS_TIMEOUT", gentle: true, strike: func(t *trial, f *form) error {
		for range 2 {
			t.site.Redis.Pause()
			time.Sleep(timeout / 2)
			t.site.Redis.Resume()
			time.Sleep(timeout / 4)
		}
		return t.site.Command("PING")
	}},
	{name: "read-only (replica)", strike: func(t *trial, f *form) error {
		// Its master's port is one where nobody listens: it keeps what it has.
		if err := t.site.Command("REPLICAOF", "127.0.0.1", "1"); err != nil {
			return err
		}
		time.Sleep(f.hold)
		return t.site.Command("REPLICAOF", "NO", "ONE")
	}},
	{name: "out of memory (noeviction)", strike: func(t *trial, f *form) error {
		if err := t.site.Command("CONFIG", "SET", "maxmemory", "1"); err != nil {
			return err
		}
		time.Sleep(f.hold)
		return t.site.Command("CONFIG", "SET", "maxmemory", "0")
	}},
	{
		name: "loading",
		// A key takes long to load, and requests are looked at between keys.
		redis: append([]string{"--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"}, durable...),
		strike: func(t *trial, f *form) error {
			// So many keys that loading takes about the time to hold on a slow machine.
			const fill = `for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'filler:' .. i, string.rep('x', 100)) end return 1`
			if err := t.site.Command("EVAL", fill, "0", strconv.Itoa(int(f.hold/(600*time.Microsecond)))); err != nil {
				return err
			}
			t.struck() // only now
			t.site.Redis.Stop()
			return t.site.Redis.Restart()
		},
	},
	{name: "held for 3 s by a script", strike: func(t *trial, f *form) error {
		const spin = `local function now() local t = redis.call('TIME') return t[1] + t[2] / 1e6 end
			local start = now()
			while now() - start < 3 do end
			return 1`
		return t.site.Command("EVAL", spin, "0")
	}},
	{name: "connections cut in mid-reply", proxy: true, gentle: true, strike: cutting(func(i int) float64 { return float64(1+i%9) / 10 })},
	{name: "connections cut before the reply", proxy: true, gentle: true, strike: cutting(func(int) float64 { return 0 })},
	{name: "scripts flushed", gentle: true, strike: func(t *trial, f *form) error {
		for end := time.Now().Add(f.hold); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if err := t.site.Command("SCRIPT", "FLUSH"); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "clients disconnected (CLIENT KILL)", gentle: true, strike: disconnecting("normal")},
	{name: "failover behind a relay", redis: []string{"--repl-diskless-sync-delay", "0"}, proxy: true, strike: failOver, audit: stopFirst},
	{name: "password rotated", password: "first", strike: rotatePassword},
	{name: nearReads + "killed, restarted empty", near: true, strike: emptied},
	{name: nearReads + "subscriber disconnected (CLIENT KILL)", near: true, gentle: true, strike: disconnecting("pubsub")},
	{name: nearReads + "subscriber hears nothing", near: true, proxy: true, gentle: true, strike: muted, proof: leasesLost},
	{name: nearReads + "connections cut before the reply", near: true, proxy: true, gentle: true, strike: cutting(func(int) float64 { return 0 })},
	{name: nearReads + "stopped (SIGSTOP)", near: true, strike: stopped},
	{name: nearReads + "failover behind a relay", near: true, redis: []string{"--repl-diskless-sync-delay", "0"}, proxy: true, strike: failOver, audit: stopFirst},
	{name: "evicting (allkeys-lru)", redis: evicting, gentle: true, strike: evict, proof: evicted},
}

// disconnecting has Redis end all connections of a type every 50 ms.
func disconnecting(connections string) func(*trial, *form) error {
	return func(t *trial, f *form) error {
		for end := time.Now().Add(f.hold); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if err := t.site.Command("CLIENT", "KILL", "TYPE", connections, "SKIPME", "yes"); err != nil {
				return err
			}
		}
		return nil
	}
}

// muted has servers hear nothing of what is published, by turns with all.
func muted(t *trial, f *form) error {
	for mute, end := true, time.Now().Add(f.hold); time.Now().Before(end); mute = !mute {
		t.site.Proxy.Mute(mute)
		time.Sleep(3 * nearLimit / 2)
	}
	t.site.Proxy.Mute(false)
	return nil
}

// leasesLost says how often the server stopped to answer from memory.
func leasesLost(t *trial) (string, error) {
	n, err := t.site.Metric("rest_sessions_cache_leases_lost_total")
	if err == nil && n == 0 {
		err = errors.New("no lease was lost")
	}
	return fmt.Sprintf("%d leases lost", n), err
}

func emptied(t *trial, f *form) error {
	t.silence(t.site.Redis.Stop, f.hold)
	// While it is gone, so that whatever is read from now on is of the empty one.
	t.model.Emptied()
	return t.site.Redis.Restart()
}

func stopped(t *trial, f *form) error {
	t.silence(t.site.Redis.Pause, f.silence)
	t.site.Redis.Resume()
	return t.site.Command("PING")
}

// cutting breaks a connection every 50 ms, after Redis has executed what came on it.
// part is how much of the i-th reply is passed on.
func cutting(part func(i int) float64) func(*trial, *form) error {
	return func(t *trial, f *form) error {
		for i, end := 0, time.Now().Add(f.hold); time.Now().Before(end); i++ {
			t.site.Proxy.Cut("EVALSHA", part(i))
			time.Sleep(50 * time.Millisecond)
		}
		t.site.Proxy.Cut("no such command", 0)
		if t.site.Proxy.Cuts() < 5 {
			return fmt.Errorf("only %d connections were cut", t.site.Proxy.Cuts())
		}
		return nil
	}
}

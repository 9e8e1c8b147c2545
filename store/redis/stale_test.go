package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// backWithin is how soon the store serves once it could: it tries twice a second at least, and
// a loaded machine may stand still.
const backWithin = 5 * time.Second

// startPair starts a master and a replica that has caught up with it.
func startPair(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master, replica = redistest.Start(t), redistest.Start(t)
	replica.Do(t, "REPLICAOF", "127.0.0.1", strconv.Itoa(master.Port()))
	eventually(t, "the replica is in step", func() bool {
		info, _ := replica.Do(t, "INFO", "replication").(string)
		return strings.Contains(info, "master_link_status:up")
	})
	return master, replica
}

// TestAddressMoves fails over behind one address, as a managed primary endpoint or a
// Kubernetes Service does: the open connection goes on to what is now a replica.
func TestAddressMoves(t *testing.T) {
	t.Parallel()
	master, replica := startPair(t)
	relay := redistest.StartProxy(t, master)
	s, log := openLogged(t, relay.Port(), testTimeout)
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)

	eventually(t, "the failover begins", func() bool {
		return master.Do(t, "FAILOVER", "TO", "127.0.0.1", strconv.Itoa(replica.Port())) == "OK"
	})
	eventually(t, "the failover is done", func() bool {
		info, _ := master.Do(t, "INFO", "replication").(string)
		return strings.Contains(info, "role:slave")
	})
	if _, err := s.Get(ctx, "app", token); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get of a replica: %v", err)
	}
	eventually(t, "ping says that writes fail", func() bool { return errors.Is(s.Ping(ctx), store.ErrUnavailable) })
	time.Sleep(time.Second) // so long that the pauses between connections have grown

	relay.Point(replica)
	start := time.Now()
	eventually(t, "it serves", func() bool { _, err := s.Get(ctx, "app", token); return err == nil })
	if took := time.Since(start); took > backWithin {
		t.Errorf("it served %v after the address was right", took)
	}
	eventually(t, "ping says that it serves", func() bool { return s.Ping(ctx) == nil && s.Writable() })
	if n := strings.Count(log.String(), "\n"); n > 3 {
		t.Errorf("%d lines of a failover:\n%s", n, log)
	}
}

// TestReplicaAtTheStart opens a store on a replica, which serves once it is a master.
func TestReplicaAtTheStart(t *testing.T) {
	t.Parallel()
	_, replica := startPair(t)
	s, log, err := reach(t, Options{Host: "127.0.0.1", Port: replica.Port()})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(log.String(), "it is a replica") {
		t.Errorf("ping: %v\n%s", err, log)
	}
	replica.Do(t, "REPLICAOF", "NO", "ONE")
	eventually(t, "it serves", func() bool { return s.Ping(context.Background()) == nil })
	create(t, s, "app", "user", 100)
}

// TestWritable has Redis answer PING and refuse writes, in each of the ways that it has.
// Nobody but the probes writes then, and Ping must find out when that is over.
func TestWritable(t *testing.T) {
	for name, c := range map[string]struct{ spoil, mend []string }{
		"replica":       {[]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}},
		"out of memory": {[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}},
		"access list":   {[]string{"ACL", "SETUSER", "default", "-zadd"}, []string{"ACL", "SETUSER", "default", "+zadd"}},
		"too few replicas": {
			[]string{"CONFIG", "SET", "min-replicas-to-write", "1"}, []string{"CONFIG", "SET", "min-replicas-to-write", "0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s, log, err := reach(t, Options{Host: "127.0.0.1", Port: server.Port()})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			server.Do(t, c.spoil...)
			_, err = s.Create(ctx, "app", store.NewToken("u"), store.New{ID: "u", IP: "::1", TTL: 100})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("create: %v", err)
			}
			eventually(t, "ping says so", func() bool { return errors.Is(s.Ping(ctx), store.ErrUnavailable) })
			if s.Writable() {
				t.Error("it is said to be writable")
			}
			server.Do(t, c.mend...)
			// A probe that was refused before may be heard of only now.
			eventually(t, "ping says that it serves, and it is said to be writable", func() bool { return s.Ping(ctx) == nil && s.Writable() })
			if n := server.Do(t, "EXISTS", "t:probe"); n != int64(0) {
				t.Error("a probe left something behind")
			}
			if text := log.String(); strings.Count(text, "cannot be used") != 1 {
				t.Errorf("one line was expected:\n%s", text)
			}
		})
	}
}

// TestUnwritableAtTheStart finds out by a write of its own that the access list is too
// narrow, though nobody asks for a session.
func TestUnwritableAtTheStart(t *testing.T) {
	server := redistest.Start(t)
	server.Do(t, "ACL", "SETUSER", "default", "-hset")
	s, _, err := reach(t, Options{Host: "127.0.0.1", Port: server.Port()})
	if !errors.Is(err, store.ErrUnavailable) || s.Writable() {
		t.Errorf("ping: %v, writable: %v", err, s.Writable())
	}
}

// TestIdleReplica has Redis become a replica while nobody asks for a session.
func TestIdleReplica(t *testing.T) {
	server := redistest.Start(t)
	s, _, err := reach(t, Options{Host: "127.0.0.1", Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}
	server.Do(t, "REPLICAOF", "127.0.0.1", "1")
	s.client.Wrote(time.Now().Add(-10 * time.Second)) // longer than writes are taken to work
	if err := s.Ping(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping: %v", err)
	}
}

// TestPasswordRotates changes Redis' password while a store runs, and its file before or
// after that.
func TestPasswordRotates(t *testing.T) {
	server := redistest.Start(t)
	password := atomic.Pointer[string]{}
	options := func() Options {
		return Options{Host: "127.0.0.1", Port: server.Port(), Password: *password.Load()}
	}
	known := func(p string) { password.Store(&p) }
	inRedis := func(p string) {
		server.Do(t, "CONFIG", "SET", "requirepass", p)
		server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	known("one")
	inRedis("one")
	o := options()
	o.Reload = func() (Options, error) {
		if *password.Load() == "" {
			return Options{}, errors.New("no such file")
		}
		return options(), nil
	}
	s, log, err := reach(t, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	serves := func() bool { _, err := s.Get(ctx, "app", token); return err == nil }

	known("two")
	inRedis("two")
	eventually(t, "it serves with the new password", serves)

	inRedis("three")
	eventually(t, "it does not serve with the old password", func() bool { return !serves() })
	time.Sleep(time.Second)
	known("three")
	start := time.Now()
	eventually(t, "it serves", serves)
	if took := time.Since(start); took > backWithin {
		t.Errorf("it served %v after it could know the password", took)
	}

	known("") // the file is gone for a moment
	inRedis("three")
	eventually(t, "it goes on with the password that was read last", serves)
	if text := log.String(); !strings.Contains(text, "no such file") || strings.Contains(text, "three") {
		t.Errorf("log:\n%s", text)
	}
}

// TestReload connects anew under load: no call may notice.
func TestReload(t *testing.T) {
	server := redistest.Start(t)
	name := atomic.Pointer[string]{}
	first, second := "default", "second"
	name.Store(&first)
	server.Do(t, "ACL", "SETUSER", second, "on", ">secret", "~*", "&*", "+@all")
	o := Options{Host: "127.0.0.1", Port: server.Port()}
	o.Reload = func() (Options, error) {
		o := o
		if o.User = *name.Load(); o.User == second {
			o.Password = "secret"
		}
		return o, nil
	}
	log, told := &lines{}, &reloadings{}
	o.Observer = told
	o.Namespace, o.Timeout, o.DialTimeout, o.Logf = "t", 2*briefTimeout, 2*briefTimeout, log.logf // the old connection is closed after that
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	token := create(t, s, "app", "user", 100)
	var done atomic.Bool
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for !done.Load() {
				if _, err := s.Get(ctx, "app", token); err != nil {
					t.Errorf("get while it connects anew: %v", err)
					return
				}
			}
		})
	}
	name.Store(&second)
	s.Reload()
	eventually(t, "all connections are of the other user", func() bool {
		list, _ := server.Do(t, "CLIENT", "LIST").(string)
		ours := 0
		for line := range strings.Lines(list) {
			if strings.Contains(line, "name=rest-sessions") {
				ours++
				if !strings.Contains(line, "user=second") {
					return false
				}
			}
		}
		return ours > 0
	})
	done.Store(true)
	clients.Wait()
	if !strings.Contains(log.String(), "reload: redis: connected anew") {
		t.Errorf("log:\n%s", log)
	}
	if !s.Up() {
		t.Error("it is not up")
	}
	server.Stop()
	s.Reload()
	eventually(t, "the observer is told of a reload that failed", func() bool { return told.failed.Load() == 1 })
	eventually(t, "it is down", func() bool { s.Ping(ctx); return !s.Up() })
	if n := told.done.Load(); n != 1 {
		t.Errorf("the observer was told of %d reloads that were done, not of 1", n)
	}
}

// reloadings is a ReloadObserver.
type reloadings struct {
	unobserved
	done, failed atomic.Int64
}

func (r *reloadings) Reloaded(ok bool) {
	if ok {
		r.done.Add(1)
	} else {
		r.failed.Add(1)
	}
}

// TestForbiddenInAScript has an access list forbid what a script does: Redis then says
// ERR, but it is an outage all the same and not a fault of ours.
func TestForbiddenInAScript(t *testing.T) {
	server := redistest.Start(t)
	s, _, err := reach(t, Options{Host: "127.0.0.1", Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}
	token := create(t, s, "app", "user", 100)
	for _, rule := range []string{"-hmget", "~other:*"} {
		rules := []string{"ACL", "SETUSER", "default", "+@all"}
		if rule[0] == '~' {
			rules = append(rules, "resetkeys")
		}
		server.Do(t, append(rules, rule)...)
		if _, err := s.Get(context.Background(), "app", token); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

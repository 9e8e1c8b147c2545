package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// failoverLimit is how long after an election the store may take to serve. Calls that were in
// flight to a master that is paused wait for their time.
const failoverLimit = briefTimeout + backWithin

// witness knows what was acknowledged of one session, and judges what is answered.
// It has one caller at a time.
type witness struct {
	token   string
	tried   int64 // the last number that was sent
	floor   int64 // the least that may be answered
	acked   []ack
	r, w    int64 // counters, as last seen
	unknown int64 // calls without an answer that have not been seen to count
	fell    bool  // whether a failover has taken something back
}

type ack struct {
	number int64
	when   time.Time
}

// judge looks at an answer. replicated is the last time from before which the
// replica has everything: Redis may lose what it acknowledged after that, when the
// master dies, once.
func (w *witness) judge(session store.Session, write bool, replicated time.Time) error {
	if !write {
		session.R++ // it is as before the read
	}
	var number int64
	if session.D != "" {
		var err error
		if number, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(session.D, `{"n":`), "}"), 10, 64); err != nil {
			return fmt.Errorf("data is %s", session.D)
		}
	}
	safe := int64(0)
	for _, a := range w.acked {
		if a.when.Before(replicated) {
			safe = a.number
		}
	}
	switch {
	case number > w.tried:
		return fmt.Errorf("the number is %d, and %d was the last sent", number, w.tried)
	case number < safe:
		return fmt.Errorf("the number is %d, though the replica had %d", number, safe)
	case number < w.floor || session.R < w.r || session.W < w.w:
		if w.fell {
			return fmt.Errorf("the number is %d after %d, a second time", number, w.floor)
		}
		w.fell = true
	default:
		// Each call counts once, those without an answer once at most; but not always
		// before the next one is answered: a server that was paused still has them.
		if steps := session.R - w.r + session.W - w.w; (steps < 1 || steps > 1+w.unknown) && w.r+w.w > 0 {
			return fmt.Errorf("r and w have risen by %d with one call after %d without an answer", steps, w.unknown)
		} else if w.r+w.w > 0 {
			w.unknown -= steps - 1
		}
	}
	w.floor, w.r, w.w = number, session.R, session.W
	return nil
}

// crowd keeps a store busy and every answer judged.
type crowd struct {
	s          *Store
	replicated atomic.Pointer[time.Time]
	served     []atomic.Int64 // when each member had its last answer, Unix ns
	failed     []atomic.Int64 // and its last failure
	wrong      chan error
	stop       chan struct{}
	done       sync.WaitGroup
}

const members = 16

// never is a time that nothing comes after.
var never = time.Unix(1<<40, 0)

// gather starts a crowd on sessions that the replica of master has. Without a
// master nothing is ever lost.
func gather(t *testing.T, s *Store, master *redistest.Server) *crowd {
	t.Helper()
	c := &crowd{s: s, served: make([]atomic.Int64, members), failed: make([]atomic.Int64, members), wrong: make(chan error, members), stop: make(chan struct{})}
	eventually(t, "the store serves", func() bool { return s.Ping(t.Context()) == nil })
	var witnesses []*witness
	for i := range members {
		witnesses = append(witnesses, &witness{token: create(t, s, "app", "user"+strconv.Itoa(i), 1000)})
	}
	killed := create(t, s, "app", "killed", 1000)
	if ok, err := s.Kill(context.Background(), "app", killed); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if master != nil {
		c.barrier(t, master)
	} else {
		c.replicated.Store(&never)
	}
	for i, w := range witnesses {
		c.done.Go(func() {
			for turn := i; ; turn++ {
				select {
				case <-c.stop:
					return
				default:
				}
				err := c.step(w, turn)
				if turn%8 == 0 && err == nil {
					if _, gone := s.Get(context.Background(), "app", killed); !errors.Is(gone, store.ErrNotFound) && !errors.Is(gone, store.ErrUnavailable) {
						err = fmt.Errorf("a killed session: %v", gone)
					}
				}
				switch {
				case err == nil:
					c.served[i].Store(time.Now().UnixNano())
				case errors.Is(err, store.ErrUnavailable):
					c.failed[i].Store(time.Now().UnixNano())
					time.Sleep(time.Millisecond) // a client would wait longer
				default:
					c.wrong <- err
					return
				}
			}
		})
	}
	return c
}

// step reads or writes once.
func (c *crowd) step(w *witness, turn int) error {
	ctx := context.Background()
	var session store.Session
	var err error
	write := turn%3 == 0
	if write {
		w.tried++
		session, err = c.s.Set(ctx, "app", w.token, store.Data{{Key: `"n"`, Value: strconv.FormatInt(w.tried, 10)}})
	} else {
		session, err = c.s.Get(ctx, "app", w.token)
	}
	if err != nil {
		w.unknown++
		return err // ErrNotFound is wrong, too
	}
	if err := w.judge(session, write, *c.replicated.Load()); err != nil {
		return err
	}
	if write {
		if w.floor != w.tried {
			return fmt.Errorf("set %d answers %d", w.tried, w.floor)
		}
		w.acked = append(w.acked, ack{w.tried, time.Now()})
	}
	return nil
}

// barrier returns when the replica has all that was acknowledged so far.
func (c *crowd) barrier(t *testing.T, master *redistest.Server) {
	t.Helper()
	begun := time.Now()
	// A server drops its clients, this one too, when its role changes.
	if _, err := master.Call("SET", "barrier", "1"); err != nil {
		master.Do(t, "SET", "barrier", "1")
	}
	if n := master.Do(t, "WAIT", "1", "10000"); n != int64(1) {
		t.Fatalf("WAIT: %v", n)
	}
	c.replicated.Store(&begun)
}

// ends stops the crowd and tells what it saw.
func (c *crowd) ends(t *testing.T) {
	t.Helper()
	close(c.stop)
	c.done.Wait()
	close(c.wrong)
	for err := range c.wrong {
		t.Errorf("wrong answer: %v", err)
	}
}

// since returns the least of times that is not before t, if all are there.
func allSince(times []atomic.Int64, t time.Time) bool {
	for i := range times {
		if times[i].Load() < t.UnixNano() {
			return false
		}
	}
	return true
}

// failover takes the master away under load, wants service back in time, and
// brings the old master back, which must change nothing.
func failover(t *testing.T, set *redistest.Sentinels, s *Store, master *redistest.Server, away, back func()) {
	t.Helper()
	c := gather(t, s, master)
	defer c.ends(t)
	for range 10 {
		time.Sleep(20 * time.Millisecond) // load
		c.barrier(t, master)
	}
	gone := time.Now()
	away()
	eventually(t, "a master is elected", func() bool { return set.Elected(master.Addr()) != "" })
	elected := time.Now()
	for !allSince(c.served, elected) {
		if time.Since(elected) > waitTimeout {
			t.Fatalf("no service %v after the election", time.Since(elected))
		}
		time.Sleep(time.Millisecond)
	}
	served := time.Now()
	t.Logf("elected %v after the loss, served %v after that", elected.Sub(gone), served.Sub(elected))
	if served.Sub(elected) > failoverLimit {
		t.Errorf("served %v after the election", served.Sub(elected))
	}
	time.Sleep(100 * time.Millisecond) // load, on the new master
	back()
	eventually(t, "the old master is a replica", func() bool {
		info, err := master.Call("INFO", "replication")
		return err == nil && strings.Contains(fmt.Sprint(info), "role:slave") && strings.Contains(fmt.Sprint(info), "master_link_status:up")
	})
	time.Sleep(100 * time.Millisecond) // load
	for i := range c.failed {
		// Calls may have been on their way when the first were served.
		if last := time.Unix(0, c.failed[i].Load()); last.After(served.Add(briefTimeout)) {
			t.Errorf("a failure %v after service was back", last.Sub(served))
		}
	}
}

// cutOff ends all connections again and again while calls are on their way. Many
// are executed and have no answer; one that was sent again would count twice.
func cutOff(t *testing.T, s *Store, server *redistest.Server) {
	t.Helper()
	c := gather(t, s, nil)
	defer c.ends(t)
	cut := int64(0)
	for range 100 {
		n, _ := server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").(int64)
		cut += n
		time.Sleep(3 * time.Millisecond)
	}
	failed := 0
	for i := range c.failed {
		if c.failed[i].Load() != 0 {
			failed++
		}
	}
	if failed < members/2 {
		t.Errorf("%d of %d saw a failure when %d connections were ended", failed, members, cut)
	}
	end := time.Now()
	eventually(t, "all are served after the last cut", func() bool { return allSince(c.served, end) })
}

// TestNothingTwice ends the connections to one server.
func TestNothingTwice(t *testing.T) {
	server := redistest.Start(t)
	s, _ := openLogged(t, server.Port(), testTimeout)
	cutOff(t, s, server)
}

// TestSentinelFailover kills the master under load; then the one that took its
// place, and cuts off the Sentinel that would tell of it; then the next is paused,
// and comes back believing that it is the master still.
func TestSentinelFailover(t *testing.T) {
	set := redistest.StartSentinels(t, nil)
	// The client begins with the first Sentinel, and goes through here.
	first := newRelay(t, set.Sentinels[0].Addr())
	log := &lines{}
	s, err := Open(Options{
		URL:       "redis://" + first.addr + "," + set.Addrs() + "/0?master_set=" + redistest.MasterName,
		Namespace: "t", Timeout: briefTimeout, DialTimeout: briefTimeout, Logf: log.logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	token := create(t, s, "app", "user", 100)
	if n := set.Master.Do(t, "EXISTS", "t:app:"+token); n != int64(1) {
		t.Fatal("the session is not where a single server has it")
	}
	restart := func(server *redistest.Server) func() {
		return func() {
			if err := server.Restart(); err != nil {
				t.Error(err)
			}
		}
	}
	cutOff(t, s, set.Master)
	failover(t, set, s, set.Master, set.Master.Stop, restart(set.Master))
	failover(t, set, s, set.Replica, func() {
		first.turn(nowhere)
		set.Replica.Stop()
	}, restart(set.Replica))
	failover(t, set, s, set.Master, set.Master.Pause, set.Master.Resume)
	if strings.Count(log.String(), "cannot be used") < 3 {
		t.Errorf("the log should tell of three outages:\n%s", log)
	}
}

// nowhere is an address that refuses connections.
const nowhere = "127.0.0.1:1"

// TestSentinelAddress tells Sentinels from Redis, and their users from its.
func TestSentinelAddress(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, nil)
	for _, server := range []*redistest.Server{set.Master, set.Replica} {
		setUser(t, server, "sessions", accessRules(t, "sessions"))
	}
	for _, server := range set.Sentinels {
		setUser(t, server, "asker", accessRules(t, "asker"))
		setUser(t, server, "default", []string{"resetpass", ">another"}) // connections that are there stay
	}
	list, name := set.Addrs(), "?master_set="+redistest.MasterName
	for _, o := range []Options{
		{URL: "redis://sessions:secret@" + list + "/2" + name + "&sentinel_user=asker&sentinel_password=secret"},
		{URL: "redis://" + list + name, User: "sessions", Password: "secret", SentinelUser: "asker", SentinelPassword: "secret"},
		{URL: "redis://" + nowhere + "," + list + name, SentinelPassword: "another"},
	} {
		s, log, err := reach(t, o)
		if err != nil || log.String() != "" {
			t.Fatalf("%s: %v\n%s", o.URL, err, log)
		}
		for method, err := range everyMethod(s, create(t, s, "app", "user", 10)) {
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, io.EOF) {
				t.Errorf("%s: %s: %v", o.URL, method, err)
			}
		}
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{URL: "redis://" + list + "?master_set=other", SentinelPassword: "another"}, "No such master"},
		{Options{URL: "redis://" + list + name, SentinelPassword: "wrong"}, "WRONGPASS"},
		{Options{URL: "redis://" + list + name}, "NOAUTH"},
		{Options{URL: "redis://" + set.Sentinels[0].Addr(), Password: "another"}, "it is a Sentinel: the URL must name the master"},
		{Options{URL: "redis://" + set.Master.Addr() + name}, "the server is not a Sentinel"},
	} {
		_, log, err := reach(t, c.o)
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(strings.ToLower(log.String()), strings.ToLower(c.want)) {
			t.Errorf("%s: %v\n%s", c.o.URL, err, log)
		}
	}
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/rueidis"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/storetest"
)

// onBothLayouts runs a test on one Redis and on a cluster. nodes are those of the store.
func onBothLayouts(t *testing.T, test func(t *testing.T, s *Store, nodes []*redistest.Server, clock *storetest.Clock)) {
	t.Run("one", func(t *testing.T) {
		server, clock := redistest.Start(t), storetest.NewClock(1_700_000_030)
		s := openTest(t, server, clock)
		defer s.Close()
		test(t, s, []*redistest.Server{server}, clock)
	})
	t.Run("cluster", func(t *testing.T) {
		cluster, clock := ofCluster(t), storetest.NewClock(1_700_000_030)
		s := openCluster(t, cluster, 64, clock)
		defer s.Close()
		test(t, s, cluster.Masters, clock)
	})
}

// redisDo sends a command to the node of key, its first argument.
func redisDo(t *testing.T, s *Store, command, key string, args ...string) rueidis.RedisMessage {
	t.Helper()
	conn, err := s.client.Connected(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reply, err := conn.Client.Do(t.Context(), conn.Client.B().Arbitrary(command).Keys(key).Args(args...).Build()).ToMessage()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(err)
	}
	return reply
}

// batchOf sends writes in one batch and hands out their answers. It returns how often
// each command was executed on all nodes.
func batchOf(t *testing.T, nodes []*redistest.Server, w *writer, writes []*write) map[string]int {
	t.Helper()
	for _, node := range nodes {
		node.Do(t, "CONFIG", "RESETSTAT")
	}
	b := &wire.Batch[*write, payload[*write]]{Waiters: writes}
	w.batches.send(b)
	w.batches.answer(b)
	sum := map[string]int{}
	for _, node := range nodes {
		for name, n := range calls(t, node) {
			sum[name] += n
		}
	}
	return sum
}

// bucketOf returns the bucket of a session, and its key.
func bucketOf(t *testing.T, s *Store, app, token string) (layout.Layout, layout.Bucket, string) {
	t.Helper()
	l, err := s.layout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := l.OfToken(app, token)
	return l, b, b.Session(token)
}

// setIn returns a set for a batch.
func setIn(t *testing.T, s *Store, token, w string, d store.Data, room int) *write {
	t.Helper()
	return setOf(t, s, "app", token, w, d, room)
}

func setOf(t *testing.T, s *Store, app, token, w string, d store.Data, room int) *write {
	t.Helper()
	l, b, key := bucketOf(t, s, app, token)
	c := change{s.writersOf(l, b).sets, b, key, token, w, d}
	return c.toMerge(room)
}

// fault reports whether err is what is wrong with one session.
func fault(err error) bool {
	return err != nil && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrNotFound)
}

// TestBatchOfSets has sets of all outcomes in one batch: none changes what becomes of
// another, those of one session are executed one after the other, and each index is
// written once.
func TestBatchOfSets(t *testing.T) {
	onBothLayouts(t, func(t *testing.T, s *Store, nodes []*redistest.Server, clock *storetest.Clock) {
		one := func(key, value string) store.Data { return store.Data{{Key: key, Value: value}} }
		// All of one user, so of one bucket.
		session := func() (token, key string) {
			token = create(t, s, "app", "user", 1000)
			_, _, key = bucketOf(t, s, "app", token)
			return token, key
		}
		good, _ := session()
		other, _ := session()
		nonsense, nonsenseKey := session()
		redisDo(t, s, "HSET", nonsenseKey, "d", "nonsense")
		noIP, noIPKey := session()
		redisDo(t, s, "HDEL", noIPKey, "ip")
		large, largeKey := session()
		redisDo(t, s, "HSET", largeKey, "d", `{"x":"`+strings.Repeat("y", 3000)+`"}`)
		ended, _ := session()
		if _, err := s.Kill(t.Context(), "app", ended); err != nil {
			t.Fatal(err)
		}
		noHash, noHashKey := session()
		redisDo(t, s, "DEL", noHashKey)
		redisDo(t, s, "SET", noHashKey, "1")
		elsewhere := create(t, s, "another", "user", 1000)
		clock.Advance(100) // all indexes are written
		s.maxData = 4000

		const room = mergedInRedis
		merged := setIn(t, s, other, "", nil, 0) // as merged here, of w that was
		merged.args = append(merged.args[:0], "", "-1", "1", "1", `{"m":1}`)
		stale := setIn(t, s, other, "", nil, 0)
		stale.args = append(stale.args[:0], "", "-1", "1", "1", `{"s":1}`)
		type answer struct {
			name string
			q    *write
			d    string
			w    int64
			err  error // nil for a session, errReply for {w, d}, errMalformed for a fault
		}
		answers := []answer{
			{"first", setIn(t, s, good, "", one(`"a"`, "1"), room), `{"a":1}`, 2, nil},
			{"nonsense", setIn(t, s, nonsense, "", one(`"a"`, "1"), room), "", 0, errMalformed},
			{"other w", setIn(t, s, good, "1", one(`"a"`, "2"), room), `{"a":1}`, 2, store.ErrConflict},
			{"gone", setIn(t, s, ended, "", one(`"a"`, "1"), room), "", 0, store.ErrNotFound},
			{"no hash", setIn(t, s, noHash, "", one(`"a"`, "1"), room), "", 0, errMalformed},
			{"too large", setIn(t, s, good, "", one(`"z"`, `"`+strings.Repeat("z", 4000)+`"`), room), "", 0, store.ErrTooLarge},
			{"of another app", setOf(t, s, "another", elsewhere, "", one(`"a"`, "1"), room), `{"a":1}`, 2, nil},
			{"merged here", merged, "", 2, nil},
			{"no ip", setIn(t, s, noIP, "", one(`"a"`, "1"), room), "", 0, errMalformed},
			{"large", setIn(t, s, large, "", one(`"a"`, "1"), room), "", 1, errReply},
			{"merged too late", stale, "", 2, errReply},
			{"w as it is", setIn(t, s, good, "2", one(`"b"`, "2"), room), `{"a":1,"b":2}`, 3, nil},
			{"last", setIn(t, s, good, "", store.Data{{Key: `"a"`, Value: "null"}, {Key: `"b"`, Value: "null"}}, room), "", 4, nil},
		}
		writes := make([]*write, len(answers))
		for i, a := range answers {
			writes[i] = a.q
		}
		l, b, _ := bucketOf(t, s, "app", good)
		executed := batchOf(t, nodes, s.writersOf(l, b).sets, writes)
		scripts := 1
		if l.Sharded() {
			scripts = 2 // one a bucket
		}
		if executed["zadd"] != 4+scripts {
			t.Errorf("executed: %v", executed)
		}
		for _, a := range answers {
			err := a.q.err
			var session store.Session
			switch {
			case err != nil:
			case a.q.reply.IsInt64():
				err = store.ErrTooLarge
			case a.q.reply.IsArray():
				read, _ := parseUnmerged(a.q.reply)
				session.W, err = read.w, errReply
			default:
				session, _, err = afterSet(a.q.reply, "")
			}
			if !errors.Is(err, a.err) && (a.err != errMalformed || !fault(err)) || session.W != a.w || session.D != a.d {
				t.Errorf("%s: %+v, %v", a.name, session, err)
			}
		}
		for key, want := range map[string]string{nonsenseKey: "1", noIPKey: "1", largeKey: "1"} {
			if w, _ := func() (string, error) { m := redisDo(t, s, "HGET", key, "w"); return m.ToString() }(); w != want {
				t.Errorf("a set that failed has counted: %s", w)
			}
		}
		redisDo(t, s, "HSET", noIPKey, "ip", "::1")
		redisDo(t, s, "HSET", nonsenseKey, "d", "{}")
		for _, token := range []string{nonsense, noIP, large} {
			if _, err := s.Get(t.Context(), "app", token); err != nil {
				t.Error(err)
			}
		}
		redisDo(t, s, "DEL", noHashKey)
		redisDo(t, s, "SREM", b.User("user"), noHash)
		redisDo(t, s, "ZREM", b.Sessions(), noHash+":user")
		redisDo(t, s, "ZREM", b.Wipe, "app:"+noHash+":user")
		checkIndexesOn(t, nodes, s)
	})
}

// TestSetsOfASpoiltIndex has sets of two apps in one batch, one of which has an index
// that is none: those of the other are answered.
func TestSetsOfASpoiltIndex(t *testing.T) {
	onBothLayouts(t, func(t *testing.T, s *Store, nodes []*redistest.Server, clock *storetest.Clock) {
		var writes []*write
		for i, app := range []string{"spoilt", "whole", "spoilt"} {
			token := create(t, s, app, "user", 1000)
			writes = append(writes, setOf(t, s, app, token, "", number(i), mergedInRedis))
			if _, b, _ := bucketOf(t, s, app, token); i == 2 {
				redisDo(t, s, "DEL", b.Sessions())
				redisDo(t, s, "SET", b.Sessions(), "no zset")
			}
		}
		clock.Advance(100)
		batchOf(t, nodes, s.writers[writerOf(s)].sets, writes)
		for i, q := range writes {
			if failed := i != 1; failed != fault(q.err) || !failed && q.err != nil {
				t.Errorf("set %d: %v", i, q.err)
			}
		}
	})
}

// writerOf returns the number of some writers of the store's layout.
func writerOf(s *Store) int {
	if s.client.OnCluster() {
		return layout.Groups - 1
	}
	return layout.ClassicGroup
}

// TestBatchOfKills ends sessions in one batch, one of them twice, one by an old token,
// among some that cannot be ended.
func TestBatchOfKills(t *testing.T) {
	onBothLayouts(t, func(t *testing.T, s *Store, nodes []*redistest.Server, clock *storetest.Clock) {
		user := "user"
		expired := create(t, s, "app", user, 10)
		clock.Advance(11)
		old := create(t, s, "app", user, 1000)
		fresh, _, err := s.Rotate(t.Context(), "app", old, store.NewTokenLike(old), 30)
		if err != nil {
			t.Fatal(err)
		}
		first, second, kept := create(t, s, "app", user, 1000), create(t, s, "app", user, 1000), create(t, s, "app", user, 1000)
		noHash := store.NewToken(user)
		l, b, noHashKey := bucketOf(t, s, "app", noHash)
		redisDo(t, s, "SET", noHashKey, "1")
		kills := func(tokens ...string) []*write {
			var writes []*write
			for _, token := range tokens {
				q := s.writersOf(l, b).kills.new(b, killTime)
				_, _, key := bucketOf(t, s, "app", token)
				q.keys = append(q.keys, key)
				writes = append(writes, q)
			}
			return writes
		}
		check := func(what string, writes []*write, want ...int64) {
			t.Helper()
			batchOf(t, nodes, s.writersOf(l, b).kills, writes)
			for i, q := range writes {
				n, err := int64(-1), q.err
				if err == nil {
					n, err = numberOf(q.reply)
				}
				if n != want[i] || n < 0 && !fault(err) {
					t.Errorf("%s: kill %d: %d, %v, want %d", what, i, n, err, want[i])
				}
			}
		}
		check("a batch", kills(first, store.NewToken(user), noHash, old, first, fresh, expired, second), 1, 0, -1, 2, 0, 0, 0, 1)
		redisDo(t, s, "DEL", noHashKey)
		if _, err := s.Get(t.Context(), "app", kept); err != nil {
			t.Errorf("a session beside them: %v", err)
		}
		if n, err := s.Wipe(t.Context()); n != 1 || err != nil {
			t.Errorf("Wipe: %d, %v", n, err)
		}
		redisDo(t, s, "DEL", b.Prefix+old) // Redis' own clock lets it expire
		checkIndexesOn(t, nodes, s)

		// What one user's set is must not keep those of others.
		spoilt := create(t, s, "app", "user", 1000)
		redisDo(t, s, "DEL", b.User(user))
		redisDo(t, s, "SET", b.User(user), "no set")
		redisDo(t, s, "HSET", b.Session(kept), "id", "somebody")
		check("beside a spoilt set", kills(spoilt, kept, kept), -1, 1, 0)
		if _, err := s.Get(t.Context(), "app", kept); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after a kill: %v", err)
		}
	})
}

// TestBatchOfCreates starts sessions in one batch, two with the same token, one beside a
// user's set that is none, and one whose user may have no other.
func TestBatchOfCreates(t *testing.T) {
	onBothLayouts(t, func(t *testing.T, s *Store, nodes []*redistest.Server, _ *storetest.Clock) {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		twice, spoilt, limited := store.NewToken("user"), store.NewTokenLike(store.NewToken("user")), store.NewToken("user")
		l, b, _ := bucketOf(t, s, "app", twice)
		before := create(t, s, "app", "user", 1000)
		redisDo(t, s, "SET", b.User("spoilt"), "no set")
		creation := func(token, id, d, limit string) *write {
			q := s.writersOf(l, b).creates.new(b, createTime)
			if limit != "" {
				q.time = callTime
			}
			_, _, key := bucketOf(t, s, "app", token)
			q.keys = append(q.keys, key, b.User(id))
			q.args = append(q.args, id, "::1", "1000", "", d, "", limit)
			return q
		}
		writes := []*write{
			creation(twice, "user", `{"a":1}`, ""), creation(spoilt, "spoilt", "", ""), creation(twice, "user", `{"a":2}`, ""),
			creation(limited, "user", "", "1"), creation(store.NewToken("user"), "user", "", ""),
		}
		executed := batchOf(t, nodes, s.writersOf(l, b).creates, writes)
		if executed["zadd"] > 9+3 { // of three calls, and of the users of those that end
			t.Errorf("executed: %v", executed)
		}
		for i, q := range writes {
			n, err := int64(0), q.err
			if err == nil {
				n, err = numberOf(q.reply)
			}
			if failed := i == 1; failed != fault(err) || !failed && n != 1_700_000_030 {
				t.Errorf("create %d: %d, %v", i, n, err)
			}
		}
		for token, there := range map[string]bool{before: false, twice: false, spoilt: false, limited: true} {
			if _, err := s.Get(t.Context(), "app", token); there != (err == nil) || err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("there %v: %v", there, err)
			}
		}
		redisDo(t, s, "DEL", b.User("spoilt"))
		checkIndexesOn(t, nodes, s)
	})
}

// TestWriteAlone has calls of one write, which the scripts make directly: the reply, and
// what is wrong with one session, are those of the call.
func TestWriteAlone(t *testing.T) {
	onBothLayouts(t, func(t *testing.T, s *Store, nodes []*redistest.Server, clock *storetest.Clock) {
		token, spoilt, large := create(t, s, "app", "user", 1000), create(t, s, "app", "user", 1000), create(t, s, "app", "user", 1000)
		l, b, key := bucketOf(t, s, "app", token)
		_, _, spoiltKey := bucketOf(t, s, "app", spoilt)
		_, _, largeKey := bucketOf(t, s, "app", large)
		redisDo(t, s, "DEL", spoiltKey)
		redisDo(t, s, "SET", spoiltKey, "no hash")
		redisDo(t, s, "HSET", largeKey, "d", `{"x":"`+strings.Repeat("y", 3000)+`"}`)
		redisDo(t, s, "SET", b.User("spoilt"), "no set")
		clock.Advance(100) // all indexes are written
		w := s.writersOf(l, b)
		creation := func(id string) *write {
			q := w.creates.new(b, createTime)
			q.keys = append(q.keys, b.Session(store.NewTokenLike(token)), b.User(id))
			q.args = append(q.args, id, "::1", "1000", "", "", "", "")
			return q
		}
		kill := func(key string) *write {
			q := w.kills.new(b, killTime)
			q.keys = append(q.keys, key)
			return q
		}
		for _, c := range []struct {
			name  string
			w     *writer
			q     *write
			zadds int
			want  string // part of the reply, or "" for a fault
		}{
			{"set", w.sets, setIn(t, s, token, "", number(1), mergedInRedis), 3, `{"n":1}`},
			{"set of no hash", w.sets, setIn(t, s, spoilt, "", number(1), mergedInRedis), 0, ""},
			{"set at another w", w.sets, setIn(t, s, token, "1", number(2), mergedInRedis), 0, "conflict"},
			{"set of much data", w.sets, setIn(t, s, large, "", number(1), mergedInRedis), 0, "array"},
			{"create", w.creates, creation("user"), 3, "1700000130"},
			{"create in no set", w.creates, creation("spoilt"), 0, ""},
			{"kill of no hash", w.kills, kill(spoiltKey), 0, ""},
			{"kill", w.kills, kill(key), 1, "1"}, // the user's last activity
			{"kill again", w.kills, kill(key), 0, "0"},
		} {
			zadds := batchOf(t, nodes, c.w, []*write{c.q})["zadd"]
			reply := ""
			if c.q.err == nil && c.q.reply.IsArray() {
				reply = "array"
			} else if c.q.err == nil {
				n, _ := c.q.reply.ToAny()
				reply = fmt.Sprint(n)
			}
			if zadds != c.zadds || !strings.Contains(reply, c.want) || (c.want == "") != fault(c.q.err) {
				t.Errorf("%s: %q, %v, %d ZADDs", c.name, reply, c.q.err, zadds)
			}
		}
		if !s.client.Up() || s.client.Refused() != nil {
			t.Error("a fault of one session counts as an outage")
		}
	})
}

// TestCallsAreShort has batches of what takes long: they are shared among calls, or what
// is beyond a call waits for another batch.
func TestCallsAreShort(t *testing.T) {
	server := redistest.Start(t)
	s := openTest(t, server, nil)
	defer s.Close()
	const n, size = 40, 1900
	stored := `{"a":"` + strings.Repeat("x", size) + `"}`
	var tokens []string
	var writes []*write
	for i := range n {
		token := create(t, s, "app", "user"+strconv.Itoa(i), 1000)
		server.Do(t, "HSET", classicKeys(s).session("app", token), "d", stored)
		tokens, writes = append(tokens, token), append(writes, setIn(t, s, token, "", number(i), 2000))
	}
	w := s.writers[layout.ClassicGroup]
	batchOf(t, []*redistest.Server{server}, w.sets, writes)
	done := 0
	for _, q := range writes {
		if q.err != nil {
			t.Fatal(q.err)
		} else if !q.Retry {
			done++
		}
	}
	if want := mergedInCall / len(stored); done != want {
		t.Errorf("a call merges %d sessions of %d bytes, where %d fill it", done, len(stored), want)
	}
	// All are done, in so many batches as it takes.
	var setting sync.WaitGroup
	for i, token := range tokens {
		setting.Go(func() {
			if got, err := s.Set(context.Background(), "app", token, number(i)); err != nil || !strings.HasSuffix(got.D, fmt.Sprintf(`,"n":%d}`, i)) {
				t.Errorf("set %d: %.20q, %v", i, got.D, err)
			}
		})
	}
	setting.Wait()

	// Creates of much data: 64 KiB take 0.13 ms, by estimate.
	writes = nil
	bucket := classicKeys(s).of("app")
	for range n {
		q := w.creates.new(bucket, createTime+130_000)
		token := store.NewToken("user")
		q.keys = append(q.keys, bucket.Session(token), bucket.User("user"))
		q.args = append(q.args, "user", "::1", "1000", "", "{}", "", "")
		writes = append(writes, q)
	}
	if executed := batchOf(t, []*redistest.Server{server}, w.creates, writes); executed["evalsha"] != 7 {
		t.Errorf("%d creates of 145 us are %d calls", n, executed["evalsha"])
	}
}

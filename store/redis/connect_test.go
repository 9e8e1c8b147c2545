package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/internal/testcert"
	"rest-sessions/store"
	"rest-sessions/store/redis/lua"
)

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprintf(format, args...))
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// reach opens a store and pings it once, when the first attempt to connect has ended, and the
// write that follows it.
func reach(t *testing.T, o Options) (*Store, *lines, error) {
	t.Helper()
	log := &lines{}
	o.Namespace, o.Timeout, o.DialTimeout, o.Logf = "t", testTimeout, cmp.Or(o.DialTimeout, testTimeout), log.logf
	s, err := Open(o)
	if err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	t.Cleanup(s.Close)
	eventually(t, "it is known whether Redis can be used", func() bool {
		return s.Writable() || strings.Contains(log.String(), "cannot be used")
	})
	return s, log, s.Ping(context.Background())
}

// openLogged opens a store that collects its log.
func openLogged(t *testing.T, port int, timeout time.Duration) (*Store, *lines) {
	t.Helper()
	log := &lines{}
	s, err := Open(Options{Host: "127.0.0.1", Port: port, Namespace: "t", Timeout: timeout, DialTimeout: timeout, Logf: log.logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, log
}

// patiently creates a session by a store of its own, for one that a loaded machine may fail.
func patiently(t *testing.T, server *redistest.Server, app, id string, ttl int64) string {
	t.Helper()
	s, _ := openLogged(t, server.Port(), testTimeout)
	defer s.Close()
	return create(t, s, app, id, ttl)
}

func TestPasswordAndDatabase(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	server.Do(t, "AUTH", "secret")
	for _, o := range []Options{
		{URL: "redis://:secret@" + server.Addr() + "/3"},
		{URL: "redis://" + server.Addr() + "?db=3", Password: "secret"},
		{URL: "redis://default@" + server.Addr() + "/3", Password: "secret"},
	} {
		s, _, err := reach(t, o)
		if err != nil {
			t.Fatalf("%s: %v", o.URL, err)
		}
		token := create(t, s, "app", "user", 100)
		server.Do(t, "SELECT", "3")
		if n := server.Do(t, "EXISTS", classicKeys(s).session("app", token)); n != int64(1) {
			t.Errorf("%s: the session is not in database 3", o.URL)
		}
	}
	for _, o := range []Options{
		{URL: "redis://:wrongsecret@" + server.Addr()},
		{URL: "redis://" + server.Addr()},
		{Host: "127.0.0.1", Port: server.Port(), User: "nobody", Password: "secret"},
	} {
		_, log, err := reach(t, o)
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("%s: %v\n%s", o.URL, err, log)
		}
		if strings.Contains(log.String()+fmt.Sprint(err), "secret") {
			t.Errorf("%s: the password is told: %v\n%s", o.URL, err, log)
		}
	}
}

func TestTLS(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("client", "client")
	_, addr := redistest.StartTLS(t, authority, "127.0.0.1")
	good := TLS{CA: authority.CA, Cert: cert, Key: key}
	s, _, err := reach(t, Options{URL: "rediss://" + addr, TLS: good})
	if err != nil {
		t.Fatal(err)
	}
	for method, err := range everyMethod(s, create(t, s, "app", "user", 100)) {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if left := time.Until(s.ClientCertificateEnd()); left < time.Minute || left > 25*time.Hour {
		t.Errorf("the client certificate ends in %v", left)
	}
	if _, _, err := reach(t, Options{URL: "rediss://" + addr + "?skip_verify=true", TLS: TLS{Cert: cert, Key: key}}); err != nil {
		t.Errorf("without a check of the server: %v", err)
	}

	strange := testcert.New(t)
	strangeCert, strangeKey := strange.Issue("client", "client")
	for name, o := range map[string]Options{
		"a CA that Redis' certificate is not from":  {URL: "rediss://" + addr, TLS: TLS{CA: strange.CA, Cert: cert, Key: key}},
		"the system's CAs":                          {URL: "rediss://" + addr, TLS: TLS{Cert: cert, Key: key}},
		"no client certificate":                     {URL: "rediss://" + addr, TLS: TLS{CA: authority.CA}},
		"a client certificate that Redis knows not": {URL: "rediss://" + addr, TLS: TLS{CA: authority.CA, Cert: strangeCert, Key: strangeKey}},
		"another name":                              {URL: "rediss://" + addr, TLS: TLS{CA: authority.CA, Cert: cert, Key: key, ServerName: "redis.test"}},
		"no TLS":                                    {URL: "redis://" + addr},
	} {
		if _, log, err := reach(t, o); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("%s: %v", name, err)
		}
	}

	_, addr = redistest.StartTLS(t, authority, "redis.test")
	if _, _, err := reach(t, Options{URL: "rediss://" + addr, TLS: good}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a certificate for another host: %v", err)
	}
	good.ServerName = "redis.test"
	if _, _, err := reach(t, Options{URL: "rediss://" + addr, TLS: good}); err != nil {
		t.Errorf("a certificate for the server's name: %v", err)
	}
}

// TestClusterByTLS finds out by TLS that a server is a cluster, and goes on by TLS
// and with the password to the nodes that it names: their TLS ports, which Redis
// names with tls-cluster only.
func TestClusterByTLS(t *testing.T) {
	authority := testcert.New(t)
	cert, key := authority.Issue("client", "client")
	node, addr := redistest.StartTLS(t, authority, "127.0.0.1", "--cluster-enabled", "yes", "--tls-cluster", "yes", "--requirepass", "secret")
	node.Do(t, "AUTH", "secret")
	node.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, "the slots are served", func() bool {
		return strings.Contains(fmt.Sprint(node.Do(t, "CLUSTER", "INFO")), "cluster_state:ok")
	})
	good := TLS{CA: authority.CA, Cert: cert, Key: key}
	s, log, err := reach(t, Options{URL: "rediss://:secret@" + nowhere + "," + addr, TLS: good})
	if err != nil {
		t.Fatal(err)
	}
	for method, err := range everyMethod(s, create(t, s, "app", "user", 100)) {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if conn, err := s.client.Current(context.Background()); err != nil || !conn.Layout.Sharded() {
		t.Errorf("no sharded layout: %v\n%s", err, log)
	}
	if _, log, err := reach(t, Options{URL: "rediss://:secret@" + addr + "/1", TLS: good}); !errors.Is(err, store.ErrUnavailable) ||
		!strings.Contains(log.String(), "only database 0") {
		t.Errorf("database 1: %v\n%s", err, log)
	}
}

// TestClientCertificateChanges puts a new pair in the place of one that Redis no
// longer takes.
func TestClientCertificateChanges(t *testing.T) {
	authority, strange := testcert.New(t), testcert.New(t)
	_, addr := redistest.StartTLS(t, authority, "127.0.0.1")
	cert, key := strange.Issue("client", "client")
	s, _, err := reach(t, Options{URL: "rediss://" + addr, TLS: TLS{CA: authority.CA, Cert: cert, Key: key}})
	if err == nil {
		t.Fatal("Redis takes what it should not")
	}
	newCert, newKey := authority.Issue("new", "client")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the new pair is used", func() bool { return s.Ping(context.Background()) == nil })
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.sock")
	server := redistest.Start(t, "--unixsocket", path, "--unixsocketperm", "700", "--requirepass", "secret")
	for _, url := range []string{"unix://:secret@" + path + "?db=2", "unix://default:secret@" + path} {
		s, _, err := reach(t, Options{URL: url})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		create(t, s, "app", "user", 100)
		if s.Addr() != path {
			t.Errorf("the address is %s", s.Addr())
		}
	}
	s, _, err := reach(t, Options{URL: "unix:" + path, Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := s.Ping(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is back", func() bool { return s.Ping(context.Background()) == nil })
}

// accessRules returns what docs/redis.md says is enough for a user, with a namespace
// and a password of the tests.
func accessRules(t *testing.T, user string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?s)ACL SETUSER ` + user + ` (.*?)\n` + "```").FindSubmatch(readme)
	if rule == nil {
		t.Fatalf("docs/redis.md has no ACL SETUSER %s", user)
	}
	return strings.Fields(strings.NewReplacer("\\\n", " ", "drs:", "t:", ">PASSWORD", ">secret").Replace(string(rule[1])))
}

func setUser(t *testing.T, server *redistest.Server, user string, rules []string) {
	t.Helper()
	if reply := server.Do(t, append([]string{"ACL", "SETUSER", user}, rules...)...); reply != "OK" {
		t.Fatal(reply)
	}
}

// TestAccessList gives a user what docs/redis.md says is enough, and nothing else.
func TestAccessList(t *testing.T) {
	server := redistest.Start(t)
	rules := accessRules(t, "sessions")
	setUser(t, server, "sessions", rules)
	s, log, err := reach(t, Options{URL: "redis://sessions:secret@" + server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for range 3 {
		for method, err := range everyMethod(s, create(t, s, "app", "user", 10)) {
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", method, err)
			}
		}
		create(t, s, "app", "user", 100)
	}
	if _, err := s.HasSessions(ctx, "t"); err != nil {
		t.Errorf("HasSessions: %v", err)
	}
	// The rules allow what some script calls, and the rest that is needed outside.
	called := []string{"+eval", "+evalsha", "+info", "+ping", "+role", "+select"}
	for _, text := range scriptTexts(t) {
		for _, call := range regexp.MustCompile(`redis\.p?call\('(\w+)'`).FindAllStringSubmatch(text, -1) {
			called = append(called, "+"+strings.ToLower(call[1]))
		}
	}
	var allowed []string
	for _, word := range rules {
		if strings.HasPrefix(word, "+") {
			allowed = append(allowed, word)
		}
	}
	slices.Sort(allowed)
	slices.Sort(called)
	called = slices.DeleteFunc(called, func(word string) bool { return word == "+spublish" }) // on a cluster only
	if called = slices.Compact(called); !slices.Equal(allowed, called) {
		t.Errorf("the README allows\n%v, needed is\n%v", allowed, called)
	}
	// What looks for sessions of the original may not see them: no outage.
	if _, err := s.HasSessions(ctx, "rs"); err == nil {
		t.Error("the user may see the keys of others")
	}
	if log.String() != "" {
		t.Errorf("the log says:\n%s", log)
	}
}

// scriptTexts returns all scripts.
func scriptTexts(t *testing.T) (texts []string) {
	err := fs.WalkDir(lua.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var text []byte
			text, err = lua.Files.ReadFile(path)
			texts = append(texts, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestWrongKind points the store at what holds no sessions, and wants to hear why.
func TestWrongKind(t *testing.T) {
	server := redistest.Start(t)
	for url, want := range map[string]string{
		"redis://" + server.Addr() + "," + server.Addr(): "is not a Redis Cluster",
	} {
		_, log, err := reach(t, Options{URL: url})
		if !errors.Is(err, store.ErrUnavailable) || strings.Count(log.String(), want) != 1 {
			t.Errorf("%s: %v\n%s", url, err, log)
		}
	}
}

// TestRecovery measures how soon the store serves when Redis comes up.
func TestRecovery(t *testing.T) {
	server := redistest.Start(t)
	server.Stop()
	begun := time.Now()
	s, _ := openLogged(t, server.Port(), testTimeout)
	if took := time.Since(begun); took > testTimeout/2 {
		t.Errorf("Open took %v", took)
	}
	for method, err := range everyMethod(s, store.NewToken("user")) { // the first waits for the first attempt
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", method, err)
		}
	}
	begun = time.Now()
	for range 100 {
		s.Ping(context.Background())
	}
	if took := time.Since(begun); took > 10*time.Second { // if each waited for an attempt: 40 s
		t.Errorf("100 answers without Redis took %v", took)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	for s.Ping(context.Background()) != nil && time.Since(begun) < time.Minute {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begun); took > backWithin {
		t.Errorf("the store served %v after Redis was up", took)
	} else {
		t.Logf("the store served %v after Redis was up", took)
	}
}

// relay listens on one address for servers that follow each other.
type relay struct {
	addr string
	to   atomic.Value // string

	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &relay{addr: listener.Addr().String()}
	r.to.Store(to)
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", r.to.Load().(string))
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			r.mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return r
}

// turn sends new connections to another server, and ends the old ones.
func (r *relay) turn(to string) {
	r.to.Store(to)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// TestReplaced puts a node of a cluster in the place of a single server: the store
// finds out and asks anew, and again when the single one is back.
func TestReplaced(t *testing.T) {
	single, node := redistest.Start(t), redistest.Start(t, "--cluster-enabled", "yes")
	r := newRelay(t, single.Addr())
	s, log, err := reach(t, Options{URL: "redis://" + r.addr})
	if err != nil {
		t.Fatal(err)
	}
	token := create(t, s, "app", "user", 100)
	before, _ := s.client.Current(context.Background())
	r.turn(node.Addr())
	eventually(t, "the store says what is there", func() bool {
		if _, err := s.Get(context.Background(), "app", token); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("a node of a cluster answered: %v", err)
		}
		now, _ := s.client.Current(context.Background())
		return now != before
	})
	r.turn(single.Addr())
	eventually(t, "the store serves", func() bool { _, err := s.Get(context.Background(), "app", token); return err == nil })
	t.Log(log)
}

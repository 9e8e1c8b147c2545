package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/valyala/fasthttp"

	"rest-sessions/handlers"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

// helloBody is what hello answers: a session without data.
const helloBody = `{"id":"user000000000000","r":1000,"w":1,"ttl":7200,"idle":0,"ip":"192.168.100.200"}`

// hello answers every request with helloBody. It runs on the server's own fasthttp
// options, and on a listener of the net package: what we add to it is what is measured.
func hello(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("application/json; charset=utf-8")
	ctx.Response.SetBodyString(helloBody)
}

// serveEnv makes the test binary a server of the kind that it names, so that its
// CPU time can be told from that of the load.
const serveEnv = "REST_SESSIONS_BENCH_SERVE"

func TestMain(m *testing.M) {
	if kind := os.Getenv(serveEnv); kind != "" {
		serve(kind)
		return
	}
	os.Exit(m.Run())
}

// serve serves "hello", "embedded", "unmetered", which is embedded without metrics,
// "disk DIRECTORY", which is embedded with RS_DATA, "redis PORT", or "near PORT", which is
// that with near reads, and prints its address.
func serve(kind string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var counts *metrics.Metrics
	if kind != "unmetered" {
		counts = handlers.NewMetrics("bench")
	}
	var s store.Store = embedded.New(embedded.Options{})
	if engine, port, _ := strings.Cut(kind, " "); engine == "redis" || engine == "near" {
		n, _ := strconv.Atoi(port)
		o := redisOptions(n, engine == "near")
		o.Observer = counts.Redis()
		var err error
		if s, err = redis.Open(o); err != nil {
			fail(err)
		}
	}
	if dir, ok := strings.CutPrefix(kind, "disk "); ok {
		var err error
		if s, err = embedded.Open(embedded.Options{Dir: dir, Timeout: 5 * time.Second}); err != nil {
			fail(err)
		}
	}
	api := handlers.New(s, handlers.Options{Metrics: counts})
	handler := wiping(api.Handler(), s)
	var l net.Listener
	var err error
	if kind == "hello" {
		handler = hello
		l, err = net.Listen("tcp", "127.0.0.1:0")
	} else {
		l, err = listener.Open(listener.Options{Host: "127.0.0.1"})
	}
	if err != nil {
		fail(err)
	}
	fmt.Println(l.Addr())
	fail(api.Server(handler).Serve(l))
}

// wiping adds PUT /wipe, which wipes as the server's wiper does.
func wiping(next fasthttp.RequestHandler, s store.Store) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !ctx.IsPut() || string(ctx.Path()) != "/wipe" {
			next(ctx)
			return
		}
		n, err := s.Wipe(context.Background())
		if err != nil {
			ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
			return
		}
		fmt.Fprintf(ctx, "%d wiped", n)
	}
}

// process is a server in a process of its own.
type process struct {
	addr    string
	pid     int
	workers []int // its children, if it lets them work
}

// startServer starts a server and ends it with the benchmark.
func startServer(tb testing.TB, kind string) process {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		tb.Fatalf("the server %s says no address: %v", kind, err)
	}
	return process{addr: addr, pid: cmd.Process.Pid}
}

// cpu returns the CPU time that the process and its workers have used, of user and system.
func (p process) cpu(tb testing.TB) time.Duration {
	tb.Helper()
	total := cpuOf(tb, p.pid)
	for _, pid := range p.workers {
		total += cpuOf(tb, pid)
	}
	return total
}

func cpuOf(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Skipf("CPU time is read from /proc: %v", err)
	}
	// After the name in brackets: utime and stime are the 12th and 13th, in ticks
	// of 10 ms (USER_HZ, 100 on every Linux).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// redisCPU returns the CPU time that a Redis has used, by its own account.
func redisCPU(tb testing.TB, server *redistest.Server) time.Duration {
	tb.Helper()
	if server == nil {
		return 0
	}
	total := 0.0
	for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", "cpu"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, _ := strconv.ParseFloat(value, 64)
			total += seconds
		}
	}
	return time.Duration(total * float64(time.Second))
}

// naive reads a session as the original does: HMGET, and then MULTI with a ZADD to
// each index, HINCRBY and HSET. It runs over rueidis with the engine's options.
type naive struct {
	client rueidis.Client
	ns     string
}

func newNaive(tb testing.TB, port int, namespace string) *naive {
	tb.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(port))},
		ForceSingleClient: true, AlwaysPipelining: true, DisableCache: true, DisableRetry: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return &naive{client, namespace + ":"}
}

func (n *naive) Get(ctx context.Context, app, token string) (store.Session, error) {
	b := n.client.B
	key := n.ns + app + ":" + token
	h, err := n.client.Do(ctx, b().Hmget().Key(key).Field("id", "r", "w", "ttl", "d", "la", "ip", "no_resave").Build()).ToArray()
	if err != nil {
		return store.Session{}, err
	}
	id, err := h[0].ToString()
	if err != nil {
		return store.Session{}, store.ErrNotFound
	}
	r, _ := h[1].AsInt64()
	w, _ := h[2].AsInt64()
	ttl, _ := h[3].AsInt64()
	la, _ := h[5].AsInt64()
	ip, _ := h[6].ToString()
	now := time.Now().Unix()
	if ttl < now-la {
		return store.Session{}, store.ErrNotFound
	}
	commands := []rueidis.Completed{
		b().Multi().Build(),
		b().Zadd().Key(n.ns+app+":_sessions").ScoreMember().ScoreMember(float64(now), token+":"+id).Build(),
		b().Zadd().Key(n.ns+app+":_users").ScoreMember().ScoreMember(float64(now), id).Build(),
		b().Zadd().Key(n.ns+"SESSIONS").ScoreMember().ScoreMember(float64(now+ttl), app+":"+token+":"+id).Build(),
		b().Hincrby().Key(key).Field("r").Increment(1).Build(),
	}
	if now-la > 1 {
		commands = append(commands, b().Hset().Key(key).FieldValue().FieldValue("la", strconv.FormatInt(now, 10)).Build())
	}
	for _, reply := range n.client.DoMulti(ctx, append(commands, b().Exec().Build())...) {
		err = errors.Join(err, reply.Error())
	}
	return store.Session{ID: id, IP: ip, R: r, W: w, TTL: ttl, Idle: now - la}, err
}

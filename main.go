// Command rest-sessions serves user sessions over HTTP and keeps them in Redis,
// or in its own memory where there is none. Run it with --help for its
// configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/valyala/fasthttp"

	"rest-sessions/handlers"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

// version is the server's; the original's last is 2.0.1.
const version = "3.0.0"

const (
	// drainGrace is how long a terminated server goes on with /readyz at 503, so
	// that load balancers see it and send new work elsewhere.
	drainGrace = 2 * time.Second
	// drainTimeout bounds the end of the work in flight. It is longer than the
	// server's read timeout, so a client that stalls cannot outlast it.
	drainTimeout = 10 * time.Second
	// healthTimeout bounds the healthcheck subcommand.
	healthTimeout = 2 * time.Second
)

// config is the environment. The tags are the table that --help prints.
type config struct {
	Port      int           `env:"RS_PORT" envDefault:"3000" help:"port to listen on, 0 for any free one"`
	Host      string        `env:"RS_HOST" help:"address to listen on; all interfaces when empty"`
	RedisHost string        `env:"RS_REDISHOST" envDefault:"127.0.0.1" help:"host of Redis"`
	RedisPort int           `env:"RS_REDISPORT" envDefault:"6379" help:"port of Redis"`
	RedisURL  string        `env:"RS_REDIS_URL" help:"redis://user:password@host:port/db, rediss:// for TLS; instead of the two above"`
	Namespace string        `env:"RS_NAMESPACE" envDefault:"drs" help:"what all keys in Redis begin with"`
	LogLevel  string        `env:"RS_LOGLEVEL" envDefault:"dev" help:"a line a request: combined, common, dev, short, tiny, json; or none"`
	Store     string        `env:"RS_STORE" envDefault:"auto" help:"redis; embedded: this process' memory; auto: redis if an RS_REDIS variable is set or one answers at 127.0.0.1:6379, else embedded"`
	Wipe      int           `env:"RS_WIPE" envDefault:"600" help:"seconds between wipes of sessions whose time is over; at least 10, or 0 for off"`
	Timeout   time.Duration `env:"RS_TIMEOUT" envDefault:"1s" help:"longest wait for the store, as in 500ms or 2s; past it the answer is 503"`
	Buckets   int           `env:"RS_BUCKETS" envDefault:"64" help:"buckets an app is split into on Redis Cluster, a power of two up to 1024; one Redis has none"`
}

func main() {
	log.SetFlags(log.LstdFlags)
	os.Exit(run(os.Args[1:], environment(os.Environ()), os.Stdout))
}

// run is main, with what it reads and writes as parameters. It returns the exit
// code: 1 for what went wrong outside, 2 for what the user should change.
func run(args []string, environ map[string]string, stdout io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "--version", "-version", "version":
		fmt.Fprintln(stdout, "rest-sessions", version)
		return 0
	case "--help", "-help", "-h", "help":
		printHelp(stdout)
		return 0
	case "serve", "healthcheck":
	default:
		log.Printf("unknown argument %q; --help prints what there is", command)
		return 2
	}

	c, problems := parseConfig(environ)
	for _, p := range problems {
		log.Print(p)
	}
	if len(problems) > 0 {
		return 2
	}
	var err error
	if command == "healthcheck" {
		err = healthcheck(c)
	} else {
		for _, name := range unknownNames(environ) {
			log.Printf("warning: there is no variable %s; --help prints those there are", name)
		}
		err = serve(c, environ, stdout)
	}
	if err != nil {
		log.Print(err)
		return 1
	}
	return 0
}

// serve runs the server until it is told to end.
func serve(c config, environ map[string]string, stdout io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	listener, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer listener.Close()
	metrics := handlers.NewMetrics(version)
	sessions, where, err := openStore(c, environ, metrics)
	if err != nil {
		return err
	}
	defer sessions.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var wiping sync.WaitGroup
	defer wiping.Wait()
	defer cancel()
	if c.Wipe > 0 {
		wiper := store.Wiper{Store: sessions, Every: time.Duration(c.Wipe) * time.Second, Logf: log.Printf}
		wiping.Go(func() { wiper.Run(ctx) })
	}

	api := handlers.New(sessions, metrics, log.Printf)
	handler := api.Handler()
	if c.LogLevel != "none" {
		access := handlers.NewAccessLog(c.LogLevel, stdout)
		defer access.Close()
		handler = access.Handler(handler)
	}
	server := api.Server(handler)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Printf("rest-sessions %s listens on http://%s, %s", version, listener.Addr(), where)

	select {
	case err := <-ended:
		return fmt.Errorf("the server ended: %w", err)
	case s := <-signals:
		return drain(server, api, signals, s)
	}
}

// drain ends the server: /readyz says 503 for a grace, then new work is refused,
// and work in flight ends. A second signal, or Ctrl-C at once, skips the grace.
func drain(server *fasthttp.Server, api *handlers.API, signals <-chan os.Signal, s os.Signal) error {
	log.Printf("%v: ending; work in flight goes on", s)
	api.Drain()
	if s == syscall.SIGTERM {
		select {
		case <-time.After(drainGrace):
		case <-signals:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("not all work in flight ended: %w", err)
	}
	log.Print("ended")
	return nil
}

// openStore opens the engine that the configuration names, and says in words
// where sessions are kept.
func openStore(c config, environ map[string]string, metrics *handlers.Metrics) (store.Store, string, error) {
	if c.Store == "embedded" || c.Store == "auto" && !namesRedis(environ) && !answers(c) {
		how := "sessions in this process' memory (RS_STORE=embedded)"
		if c.Store == "auto" {
			how = "sessions in this process' memory, since no Redis answers at 127.0.0.1:6379 " +
				"(set RS_REDISHOST to use one, or RS_STORE=embedded to say that none is meant)"
		}
		if c.Wipe == 0 {
			return nil, "", errors.New("RS_WIPE is 0, so nobody would free the memory of sessions whose time is over: " + how)
		}
		return embedded.New(embedded.Options{}), how, nil
	}
	s, err := redis.Open(redis.Options{
		URL: c.RedisURL, Host: c.RedisHost, Port: c.RedisPort,
		Namespace: c.Namespace, Timeout: c.Timeout, Logf: log.Printf, Observer: metrics,
	})
	if err != nil {
		return nil, "", err
	}
	if _, given := environ["RS_NAMESPACE"]; !given {
		warnOtherNamespace(s, c.Namespace)
	}
	return s, fmt.Sprintf("sessions in Redis at %s, namespace %s", s.Addr(), c.Namespace), nil
}

// warnOtherNamespace warns a site that moves over from the original: its README
// promised the namespace drs, its code used rs.
func warnOtherNamespace(s *redis.Store, namespace string) {
	const original = "rs"
	ctx := context.Background()
	if ours, err := s.HasSessions(ctx, namespace); err != nil || ours {
		return
	}
	if theirs, err := s.HasSessions(ctx, original); err == nil && theirs {
		log.Printf("warning: this Redis holds no sessions under %q, but some under %q, the original's namespace: "+
			"set RS_NAMESPACE=%s to serve them, or RS_NAMESPACE=%s to say that they are not meant",
			namespace, original, original, namespace)
	}
}

// namesRedis reports whether a variable says which Redis.
func namesRedis(environ map[string]string) bool {
	for name, value := range environ {
		if strings.HasPrefix(name, "RS_REDIS") && value != "" {
			return true
		}
	}
	return false
}

// answers reports whether the Redis that the configuration names can be used.
func answers(c config) bool {
	s, err := redis.Open(redis.Options{Host: c.RedisHost, Port: c.RedisPort, Namespace: c.Namespace, Timeout: c.Timeout})
	if err != nil {
		return false
	}
	defer s.Close()
	return s.Ping(context.Background()) == nil
}

// healthcheck asks the server of the same configuration whether it is ready.
func healthcheck(c config) error {
	host := c.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(c.Port)), Path: "/healthz"}
	status, body, err := fasthttp.GetTimeout(nil, u.String(), healthTimeout)
	if err != nil {
		return fmt.Errorf("unhealthy: %w", err)
	}
	if status != fasthttp.StatusOK {
		return fmt.Errorf("unhealthy: status %d: %s", status, body)
	}
	return nil
}

// environment makes a map of os.Environ's lines.
func environment(lines []string) map[string]string {
	m := make(map[string]string, len(lines))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		m[name] = value
	}
	return m
}

// parseConfig reads the configuration and returns everything that is wrong with
// it, a sentence each. RS_X_FILE names a file that holds the value of RS_X.
func parseConfig(environ map[string]string) (c config, problems []string) {
	values := make(map[string]string)
	for _, f := range variables() {
		value, given := environ[f.name]
		if path, ok := environ[f.name+"_FILE"]; ok && path != "" {
			if given {
				problems = append(problems, fmt.Sprintf("%s and %s_FILE are both set; only one can be", f.name, f.name))
			}
			text, err := os.ReadFile(path)
			if err != nil {
				problems = append(problems, fmt.Sprintf("%s_FILE: %v", f.name, err))
				continue
			}
			value, given = strings.TrimRight(string(text), "\r\n"), true
		}
		if given && value != "" { // an empty variable is as good as none
			values[f.name] = value
		}
	}
	err := env.ParseWithOptions(&c, env.Options{Environment: values})
	bad := map[string]bool{}
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, err := range all.Errors {
			name, problem := inWords(err, values)
			bad[name] = true
			problems = append(problems, problem)
		}
	} else if err != nil {
		problems = append(problems, err.Error())
	}

	check := func(name string, ok bool, must string) {
		if !ok && !bad[name] {
			problems = append(problems, fmt.Sprintf("%s is %q; it must be %s", name, values[name], must))
		}
	}
	check("RS_PORT", 0 <= c.Port && c.Port <= 65535, "a port, 0 to 65535")
	check("RS_REDISPORT", 1 <= c.RedisPort && c.RedisPort <= 65535, "a port, 1 to 65535")
	check("RS_NAMESPACE", c.Namespace != "" && !strings.ContainsAny(c.Namespace, ":{} \t\r\n"), "a name without colons, braces and spaces")
	check("RS_LOGLEVEL", c.LogLevel == "none" || handlers.IsLogFormat(c.LogLevel), "one of "+strings.Join(handlers.LogFormats(), ", ")+", none")
	check("RS_STORE", slices.Contains([]string{"auto", "redis", "embedded"}, c.Store), "auto, redis or embedded")
	check("RS_WIPE", c.Wipe == 0 || c.Wipe >= 10, "a number of seconds, at least 10, or 0 for off")
	check("RS_WIPE", c.Wipe != 0 || c.Store != "embedded", "at least 10 with RS_STORE=embedded: nobody else would free its memory")
	check("RS_TIMEOUT", c.Timeout >= 10*time.Millisecond, "a duration of at least 10ms, as in 500ms or 2s")
	check("RS_BUCKETS", 1 <= c.Buckets && c.Buckets <= store.Buckets && c.Buckets&(c.Buckets-1) == 0, "a power of two, 1 to 1024")
	return c, problems
}

// inWords says which variable an error of the env library is about, and what is
// wrong with it. Values are quoted only where they cannot be secrets.
func inWords(err error, values map[string]string) (name, problem string) {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return "", err.Error()
	}
	for _, f := range variables() {
		if f.field != parse.Name {
			continue
		}
		must := "a whole number"
		if parse.Type == reflect.TypeFor[time.Duration]() {
			must = "a duration, as in 500ms or 2s"
		}
		return f.name, fmt.Sprintf("%s is %q; it must be %s", f.name, values[f.name], must)
	}
	return "", err.Error()
}

// variable is one row of the configuration.
type variable struct{ field, name, def, help string }

func variables() []variable {
	t := reflect.TypeFor[config]()
	rows := make([]variable, t.NumField())
	for i := range rows {
		f := t.Field(i)
		rows[i] = variable{f.Name, f.Tag.Get("env"), f.Tag.Get("envDefault"), f.Tag.Get("help")}
	}
	return rows
}

// unknownNames returns the RS_ names in the environment that mean nothing here.
func unknownNames(environ map[string]string) []string {
	var unknown []string
	for name := range environ {
		known := slices.ContainsFunc(variables(), func(v variable) bool {
			return name == v.name || name == v.name+"_FILE"
		})
		if strings.HasPrefix(name, "RS_") && !known {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	return unknown
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, `rest-sessions keeps user sessions for the parts of a site, over HTTP, in Redis.

  rest-sessions               serve
  rest-sessions healthcheck   exit with 0 if the server of this configuration is ready
  rest-sessions --version     print the version
  rest-sessions --help        print this

It is configured by the environment. RS_X_FILE names a file with the value of RS_X.

`)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", v.name, v.def, v.help)
	}
	table.Flush()
}

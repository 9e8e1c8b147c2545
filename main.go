// Command rest-sessions serves user sessions over HTTP and keeps them in Redis,
// or in its own memory, and in a directory if one is named, where there is none. Run it with --help for its
// configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/logging"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
	"rest-sessions/store/redis/migrate"
)

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

func main() {
	os.Exit(run(os.Args[1:], environment(os.Environ()), os.Stdout))
}

// run is main, with what it reads and writes as parameters. It returns the exit
// code: 1 for what went wrong outside, 2 for what the user should change.
func run(args []string, environ map[string]string, stdout io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	lines, closeLog := startLog(command == "serve", environ["RS_LOGLEVEL"] == "json")
	defer closeLog()
	if len(args) > 1 && slices.Contains([]string{"serve", "healthcheck", "config"}, command) {
		if !slices.Contains(helpArguments, args[1]) {
			log.Printf("error: unknown argument %q behind %s; see --help", args[1], command)
			return 2
		}
		command = "help"
	}
	switch command {
	case "--version", "-version", "version":
		fmt.Fprintln(stdout, "rest-sessions", versionText())
		return 0
	case "--help", "-help", "-h", "help":
		printHelp(stdout)
		return 0
	case "config":
		return printConfig(stdout, environ)
	case "serve", "healthcheck", "migrate":
	default:
		log.Print("error: " + unknownArgument(command))
		return 2
	}

	c, problems := parseConfig(environ)
	if tell(problems) {
		return 2
	}
	if command == "migrate" {
		return migrate.Command(args[1:], c.redis(), stdout)
	}
	var err error
	if command == "healthcheck" {
		err = c.healthy()
	} else {
		err = serve(c, environ, stdout, lines)
	}
	if err != nil {
		slog.Error(err.Error())
		return 1
	}
	return 0
}

// tell writes problems to the log, and reports whether there are any.
func tell(problems []string) bool {
	for _, p := range problems {
		slog.Error(p)
	}
	return len(problems) > 0
}

// serve runs the server until it is told to end. lines is the program's own log.
func serve(c config, environ map[string]string, stdout io.Writer, lines *logging.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	door, err := listener.Open(c.listener())
	if err != nil {
		return c.cannotListen(err)
	}
	defer door.Close()
	counts := handlers.NewMetrics(version)
	sessions, where, err := openStore(c, environ, counts)
	if err != nil {
		return err
	}
	defer sessions.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	if c.Wipe > 0 {
		every := time.Duration(c.Wipe) * time.Second
		wiper := store.Wiper{Store: sessions, Every: every, Logf: log.Printf, Wiped: counts.Wiper(every).Wiped}
		background.Go(func() { wiper.Run(ctx) })
	}

	if s, ok := sessions.(*embedded.Store); ok && c.Data != "" {
		background.Go(func() { s.BackUpOnSignal(ctx) })
	} else if embedded.BackupSignal != nil {
		unused := make(chan os.Signal, 1)
		signal.Notify(unused, embedded.BackupSignal)
		defer signal.Stop(unused)
		background.Go(func() { refuseBackups(ctx, unused) })
	}

	ids, err := c.pseudonyms()
	if err != nil {
		return err
	}
	missWarn := c.MissWarn
	if missWarn == 0 {
		missWarn = -1 // none
	}
	api := handlers.New(sessions, handlers.Options{
		Metrics: counts, Logf: log.Printf, MaxInFlight: c.MaxInFlight, MaxLists: c.MaxLists, MissWarn: missWarn,
		Cookie: c.Cookie, NoConsole: !c.Console, Pseudonyms: ids, Connections: door.Connections,
	})
	keys, err := c.keys(environ)
	if err != nil {
		return err
	}
	api.SetKeys(keys)
	warnOfDoor(door, keys != nil)
	handler := api.Handler()
	dropped := lines.Dropped
	if c.LogLevel != "none" {
		access := handlers.NewAccessLog(c.LogLevel, stdout, isTerminal(stdout), ids)
		defer access.Close()
		dropped = func() uint64 { return access.Dropped() + lines.Dropped() }
		handler = access.Handler(handler)
	}
	counts.Watch(sources(c, door, sessions, dropped))
	reloads := newReloads(counts, door, ids, environ)
	server := api.Server(handler)
	background.Go(func() { handlers.GiveBack(ctx, server) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(door) }()
	if environ["REDIS_URL"] != "" && !namesRedis(environ) && c.Store != "embedded" && c.Data == "" {
		log.Print("warning: REDIS_URL is not read; set RS_REDIS_URL to use the Redis that it names")
	}
	log.Printf("rest-sessions %s listens on %s, %s", versionText(), door, where)

	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the server ended: %w", err)
		case <-hangups:
			reloads.reload(api, door, sessions, environ)
		case s := <-signals:
			return drain(server, api, signals, s)
		}
	}
}

// drain ends the server: /readyz says 503 for a grace, then new work is refused,
// and work in flight ends. A second signal, or Ctrl-C at once, skips the grace.
func drain(server *fasthttp.Server, api *handlers.API, signals <-chan os.Signal, s os.Signal) error {
	log.Printf("%v: shutting down; work in flight goes on", s)
	api.Drain()
	if s == syscall.SIGTERM {
		select {
		case <-time.After(drainGrace):
		case <-signals:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := server.ShutdownWithContext(ctx)
	if err == nil {
		err = api.WaitLists(ctx)
	}
	if err != nil {
		return fmt.Errorf("not all work in flight ended: %w", err)
	}
	log.Print("ended")
	return nil
}

// engine is what the server needs of either engine.
type engine interface {
	store.Store
	// Writable reports whether writes succeed, as far as that is known.
	Writable() bool
}

// engine returns which engine is used, and why if RS_STORE is auto.
func (c config) engine(environ map[string]string) (name, why string) {
	switch names := redisVariables(environ); {
	case c.Store != "auto":
		return c.Store, ""
	case c.Data != "":
		return "embedded", "RS_DATA is set"
	case len(names) > 0:
		return "redis", names[0] + " is set"
	case redis.Answers(c.redis()):
		return "redis", "one answers at 127.0.0.1:6379"
	}
	return "embedded", "no Redis answers at 127.0.0.1:6379"
}

// openStore opens the engine that the configuration names, and says in words
// where sessions are kept.
func openStore(c config, environ map[string]string, counts *metrics.Metrics) (engine, string, error) {
	if c.Data != "" {
		if namesRedis(environ) {
			log.Print("warning: RS_DATA is set, so sessions are kept there and not in Redis, although an RS_REDIS variable is set too")
		}
		s, err := embedded.Open(embedded.Options{Dir: c.Data, MaxData: c.MaxData, Timeout: c.Timeout, Logf: log.Printf, Observer: counts.Data()})
		if err != nil {
			return nil, "", fmt.Errorf("RS_DATA: %w", err)
		}
		return s, fmt.Sprintf("%d sessions in this process' memory and in %s (RS_DATA)", s.Len(), c.Data), nil
	}
	if use, why := c.engine(environ); use == "embedded" {
		how := "sessions in this process' memory (RS_STORE=embedded)"
		if c.Store == "auto" {
			how = "sessions in this process' memory, since " + why +
				" (set RS_REDISHOST to use one, or RS_STORE=embedded to say that none is meant)"
		}
		if c.Wipe == 0 {
			return nil, "", errors.New("RS_WIPE is 0, so nothing would free the memory of expired sessions: " + how)
		}
		return embedded.New(embedded.Options{MaxData: c.MaxData}), how, nil
	}
	options := c.redis()
	options.Logf, options.Observer = log.Printf, counts.Redis()
	options.Reload = func() (redis.Options, error) {
		now, problems := parseConfig(environ)
		for _, p := range problems {
			if strings.Contains(p, "RS_REDIS") {
				return redis.Options{}, errors.New(p)
			}
		}
		return now.redis(), nil
	}
	s, err := redis.Open(options)
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
func namesRedis(environ map[string]string) bool { return len(redisVariables(environ)) > 0 }

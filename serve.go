package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/config"
	"rest-sessions/internal/logging"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

const (
	// drainGrace is how long a terminated server goes on with /readyz at 503, so
	// that load balancers see it and send new work elsewhere.
	drainGrace = 2 * time.Second
	// namespacePause is between attempts to see whether the sessions are in another namespace.
	namespacePause = 200 * time.Millisecond
	// drainTimeout bounds the end of the work in flight. It is longer than the
	// server's read timeout, so a client that stalls cannot outlast it.
	drainTimeout = 10 * time.Second
)

// serve runs the server until it is told to end. lines is the program's own log.
func serve(c config.Config, stdout io.Writer, lines *logging.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	ln, err := listener.Open(c.Listener())
	if err != nil {
		return c.CannotListen(err)
	}
	defer ln.Close()
	counts := handlers.NewMetrics(version)
	sessions, where, err := openStore(c, counts)
	if err != nil {
		return err
	}
	defer sessions.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	if s, ok := sessions.(*redis.Store); ok && !c.NamespaceGiven() && !warnOtherNamespace(ctx, s, c.Namespace) {
		background.Go(func() {
			for pause(ctx, namespacePause) && !warnOtherNamespace(ctx, s, c.Namespace) {
			}
		})
	}
	if c.Wipe > 0 {
		every := time.Duration(c.Wipe) * time.Second
		wiper := store.Wiper{Store: sessions, Every: every, Logf: log.Printf, Wiped: counts.Wiper(every).Wiped}
		background.Go(func() { wiper.Run(ctx) })
	}

	if embedded.BackupSignal != nil {
		backups := make(chan os.Signal, 1)
		signal.Notify(backups, embedded.BackupSignal)
		defer signal.Stop(backups)
		background.Go(func() { backUp(ctx, backups, sessions, c.Data != "") })
	}

	ids, err := c.Pseudonyms()
	if err != nil {
		return err
	}
	missWarn := c.MissWarn
	if missWarn == 0 {
		missWarn = -1 // none
	}
	api := handlers.New(sessions, handlers.Options{
		Metrics: counts, Logf: log.Printf, MaxInFlight: c.MaxInFlight, MaxLists: c.MaxLists, MissWarn: missWarn,
		Cookie: c.Cookie, NoConsole: !c.Console, Pseudonyms: ids, Connections: ln.Connections,
	})
	keys, err := c.Keys()
	if err != nil {
		return err
	}
	api.SetKeys(keys)
	warnOfListener(ln, keys != nil)
	handler := api.Handler()
	dropped := lines.Dropped
	if c.LogLevel != "none" {
		access := handlers.NewAccessLog(c.LogLevel, stdout, logging.IsTerminal(stdout), ids)
		defer access.Close()
		dropped = func() uint64 { return access.Dropped() + lines.Dropped() }
		handler = access.Handler(handler)
	}
	counts.Watch(sources(c, ln, sessions, dropped))
	reloads := newReloads(c, counts, ln, ids)
	server := api.Server(handler)
	background.Go(func() { handlers.ReleaseMemory(ctx, server) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	for _, w := range c.Warnings() {
		log.Print("warning: " + w)
	}
	log.Printf("rest-sessions %s listens on %s, %s", versionText(), ln, where)

	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the server ended: %w", err)
		case <-hangups:
			reloads.reload(api, ln, sessions)
		case s := <-signals:
			return drain(server, api, signals, s)
		}
	}
}

// pause waits for d. It returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
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

// fewConnections is how many a start warns below: Linux' usual soft limit of open files
// is 1,024, so a process with a lower hard limit got that by mistake.
const fewConnections = 960

// warnOfListener warns if too many can come in, or too few.
func warnOfListener(ln *listener.Listener, keys bool) {
	if n := listener.MaxConnections(); n < fewConnections {
		log.Printf("warning: at most %d connections are served, since this process may open %d files only: raise its hard limit of open files "+
			"(ulimit -Hn of a shell, LimitNOFILE= of systemd, --ulimit nofile= of Docker)", n, listener.MaxFiles())
	}
	if !keys && ln.Open() {
		log.Printf("warning: whoever can reach %s can read, change and end every session: set RS_API_KEYS, or RS_HOST=127.0.0.1", ln.Addr())
	}
}

// sources are what metrics ask of the parts of the server.
func sources(c config.Config, ln *listener.Listener, sessions engine, dropped func() uint64) metrics.Sources {
	s := metrics.Sources{
		Connections: func() int { return int(ln.Connections()) },
		Writable:    sessions.Writable,
		Dropped:     dropped,
	}
	if ln.TLS() {
		s.Certificate = ln.CertificateEnd
	}
	switch engine := sessions.(type) {
	case *embedded.Store:
		s.Sessions = engine.Len
		if c.Data != "" {
			s.DataSize = engine.FileSize
		}
	case *redis.Store:
		s.Up = engine.Up
		if c.Cache > 0 {
			s.Cache = func() metrics.Cache { return cacheFigures(engine) }
		}
		if c.RedisCert != "" {
			s.RedisCertificate = engine.ClientCertificateEnd
		}
	}
	return s
}

package migrate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"rest-sessions/store/redis"
)

const (
	// defaultRate is the most sessions a second while servers use the source: a
	// twentieth of what a core can do.
	defaultRate = 5000
	// timeout bounds a round trip. Nobody waits for one.
	timeout = 5 * time.Second
)

const usage = `rest-sessions migrate copies all sessions to another Redis, a Redis Cluster, or another namespace.

  rest-sessions migrate --from URL --to URL [--from-namespace NS] [--to-namespace NS]
                        [--dry-run] [--rate N] [--list FILE] [--last]

1. Run it with --dry-run: it writes nothing, and says what would be copied.
2. Run it while servers use the source. If it is interrupted, run the same command again:
   it goes on where it was.
3. Stop the servers. Run it with --last: it copies what changed since, ends what ended
   since, and counts. If source and target differ, it says so and exits with 1.
4. Start the servers with the URL and the namespace of the target.

A URL is as in RS_REDIS_URL, or @FILE for a file that holds it, so that ps does not show its
password. Without --from, the source is the Redis of the RS_REDIS variables. RS_REDIS_CA,
RS_REDIS_CERT and RS_REDIS_KEY are for both sides, if their URL is rediss://. A Redis Cluster
without sessions gets RS_BUCKETS buckets. Exit codes: 0 done, 1 not done, 2 wrong command line.

`

// Command runs the subcommand and returns the exit code. server is the Redis that the
// environment configures.
func Command(args []string, server redis.Options, stdout io.Writer) int {
	o, err := parse(args, server, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		log.Printf("error: migrate: %v", err)
		return 2
	}
	o.Out, o.Logf, o.Progress = stdout, log.Printf, NewProgress(os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = Run(ctx, o)
	if _, wrong := errors.AsType[Mistake](err); wrong {
		log.Printf("error: migrate: %v", err)
		return 2
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		log.Print("migrate: interrupted; the same command goes on from here")
	case unavailable(err):
		log.Printf("error: migrate: %v; the same command goes on from here", err)
	default:
		log.Printf("error: migrate: %v", err)
	}
	return 1
}

// parse reads the command line.
func parse(args []string, server redis.Options, help io.Writer) (Options, error) {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	from := flags.String("from", "", "`URL` of the source; default: the Redis of the RS_REDIS variables")
	to := flags.String("to", "", "`URL` of the target")
	fromNamespace := flags.String("from-namespace", server.Namespace, "`namespace` of the source; default: RS_NAMESPACE")
	toNamespace := flags.String("to-namespace", server.Namespace, "`namespace` of the target; default: RS_NAMESPACE")
	speed := flags.Int("rate", -1, fmt.Sprintf("most `sessions` per second, 0 for no limit; default %d, with --last 0", defaultRate))
	dry := flags.Bool("dry-run", false, "write nothing, and say what would be copied")
	last := flags.Bool("last", false, "no server uses the source any more: end the migration")
	list := flags.String("list", "", "`file` that gets a line (app, token, id) per session that a Redis Cluster cannot have")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, usage)
			flags.SetOutput(help)
			flags.PrintDefaults()
			return Options{}, err
		}
		return Options{}, fmt.Errorf("%w; see --help", err)
	}
	o := Options{Rate: *speed, DryRun: *dry, Last: *last, List: *list, From: server, To: server}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see --help", flags.Arg(0))
	}
	if *to == "" {
		return o, errors.New("--to is missing; see --help")
	}
	if *dry && *last {
		return o, errors.New("--dry-run and --last cannot be used together")
	}
	if o.Rate < 0 {
		if o.Rate = defaultRate; *last {
			o.Rate = 0
		}
	}
	for _, side := range []struct {
		flag, url, namespace string
		options              *redis.Options
	}{{"from", *from, *fromNamespace, &o.From}, {"to", *to, *toNamespace, &o.To}} {
		side.options.Namespace, side.options.Timeout = side.namespace, timeout
		if side.namespace == "" || strings.ContainsAny(side.namespace, ":{} \t\r\n") {
			return o, fmt.Errorf("--%s-namespace is %q; it must be a name without colons, braces and spaces", side.flag, side.namespace)
		}
		if side.url != "" {
			if err := take(side.options, side.url); err != nil {
				return o, fmt.Errorf("--%s: %w", side.flag, err)
			}
		}
		if err := errors.Join(side.options.Check()...); err != nil {
			return o, fmt.Errorf("--%s: %w", side.flag, err)
		}
	}
	return o, nil
}

// take makes options be about the Redis of a URL: nothing that belongs to another
// one's goes with it.
func take(o *redis.Options, url string) error {
	if path, ok := strings.CutPrefix(url, "@"); ok {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		url = strings.TrimSpace(string(text))
	}
	o.URL, o.Host, o.Port = url, "", 0
	o.User, o.Password, o.SentinelUser, o.SentinelPassword = "", "", "", ""
	o.TLS.ServerName = ""
	if !strings.HasPrefix(url, "rediss://") && !strings.HasPrefix(url, "valkeys://") {
		o.TLS = redis.TLS{}
	}
	return nil
}

// Command rest-sessions serves user sessions over HTTP and keeps them in Redis,
// or in its own memory, and in a directory if one is named, where there is none. Run it with --help for its
// configuration.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"rest-sessions/internal/config"
	"rest-sessions/internal/logging"
	"rest-sessions/internal/nearest"
	"rest-sessions/store/redis/migrate"
)

// healthTimeout bounds the healthcheck subcommand.
const healthTimeout = 2 * time.Second

func main() {
	os.Exit(run(os.Args[1:], config.Environment(os.Environ()), os.Stdout))
}

// run is main, with what it reads and writes as parameters. It returns the exit
// code: 1 for what went wrong outside, 2 for what the user should change.
func run(args []string, environ map[string]string, stdout io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	lines, closeLog := logging.Start(command == "serve", environ["RS_LOGLEVEL"] == "json")
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
		if tell(config.Print(stdout, environ)) {
			return 2
		}
		return 0
	case "serve", "healthcheck", "migrate":
	default:
		log.Print("error: " + unknownArgument(command))
		return 2
	}

	c, problems := config.Parse(environ)
	if tell(problems) {
		return 2
	}
	if command == "migrate" {
		options := c.Redis()
		options.Cache = 0
		return migrate.Command(args[1:], options, stdout)
	}
	var err error
	if command == "healthcheck" {
		err = healthy(c)
	} else {
		err = serve(c, stdout, lines)
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

// healthy asks the server of the same configuration whether it is.
func healthy(c config.Config) error {
	err := c.Listener().Healthy(healthTimeout)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("%w: no server listens there; is it running? The healthcheck needs the RS_HOST and RS_PORT of the server", err)
	}
	return err
}

// helpArguments ask for help, alone or behind a command.
var helpArguments = []string{"--help", "-help", "-h", "help"}

// unknownArgument says what may have been meant by an argument that is none.
func unknownArgument(argument string) string {
	commands := []string{"serve", "healthcheck", "config", "migrate", "version", "help"}
	if name, option := strings.CutPrefix(argument, "-"); option {
		name, _, _ = strings.Cut(strings.TrimLeft(name, "-"), "=")
		hint := "the server is configured by environment variables"
		if variable := "RS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")); slices.Contains(config.Names(), variable) {
			hint = "set the environment variable " + variable
		}
		return fmt.Sprintf("unknown argument %q: %s; see --help", argument, hint)
	}
	if near := nearest.Of(argument, commands); near != "" {
		return fmt.Sprintf("unknown argument %q; the nearest is %s; see --help", argument, near)
	}
	return fmt.Sprintf("unknown argument %q; see --help", argument)
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, `rest-sessions keeps user sessions for the parts of a site, over HTTP, in Redis.

  rest-sessions               serve
  rest-sessions healthcheck   exit with 0 if the server of this configuration is ready
  rest-sessions config        print the configuration, without secrets, and what is wrong with it
  rest-sessions migrate       copy sessions to another Redis or a Redis Cluster: migrate --help
  rest-sessions --version     print the version
  rest-sessions --help        print this

It is configured by environment variables. RS_X_FILE names a file that holds the value of RS_X.

`)
	config.PrintTable(w)
}

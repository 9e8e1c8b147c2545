package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"rest-sessions/internal/nearest"
)

// helpArguments ask for help, alone or behind a command.
var helpArguments = []string{"--help", "-help", "-h", "help"}

// unknownArgument says what may have been meant by an argument that is none.
func unknownArgument(argument string) string {
	commands := []string{"serve", "healthcheck", "config", "migrate", "version", "help"}
	if name, option := strings.CutPrefix(argument, "-"); option {
		name, _, _ = strings.Cut(strings.TrimLeft(name, "-"), "=")
		hint := "the server is configured by environment variables"
		for _, v := range variables() {
			if v.name == "RS_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")) {
				hint = "set the environment variable " + v.name
			}
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
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		name, def := v.name, v.def
		for line := range wrapped(v.help, helpWidth) {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", name, def, line)
			name, def = "", ""
		}
	}
	table.Flush()
}

// helpWidth is the width of the last column of --help: a terminal has some 120.
const helpWidth = 76

// wrapped yields the words of text in lines of at most width bytes.
func wrapped(text string, width int) iter.Seq[string] {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			if line != "" && len(line)+1+len(word) > width {
				if !yield(line) {
					return
				}
				line = ""
			}
			line = strings.TrimLeft(line+" "+word, " ")
		}
		yield(line)
	}
}

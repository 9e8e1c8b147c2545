package config

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
)

// PrintTable prints a line or more a variable: its name, its default and what it means.
func PrintTable(w io.Writer) {
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

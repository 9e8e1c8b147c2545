package config

import (
	"strings"
	"testing"
)

// TestTable wants the table to say what each variable means, and the lines to fit in a
// terminal.
func TestTable(t *testing.T) {
	var out strings.Builder
	PrintTable(&out)
	text := strings.Join(strings.Fields(out.String()), " ") // the help is wrapped
	for _, v := range variables() {
		if v.help == "" || !strings.Contains(out.String(), "  "+v.name+" ") || !strings.Contains(text, v.help) {
			t.Errorf("the table lacks %s", v.name)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 120 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
}

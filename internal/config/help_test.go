package config

import (
	"reflect"
	"strings"
	"testing"

	"rest-sessions/store"
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

// TestDefaults: what nobody sets has the default that the table prints.
func TestDefaults(t *testing.T) {
	unset, problems := Parse(nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	environ := map[string]string{}
	for _, v := range variables() {
		environ[v.name] = v.def
	}
	delete(environ, "RS_REDISHOST") // are for Redis
	delete(environ, "RS_REDISPORT")
	set, problems := Parse(environ)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	unset.environ, set.environ = nil, nil
	if !reflect.DeepEqual(set, unset) {
		t.Errorf("%+v, not\n%+v", unset, set)
	}
	if unset.MaxData != store.DefaultMaxData || unset.Cookie != "sid" || unset.Port != 3000 {
		t.Errorf("%+v", unset)
	}
}

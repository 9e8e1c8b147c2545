package enginetest

import (
	"io/fs"
	"strings"
	"testing"

	"rest-sessions/store/redis/lua"
)

// CheckScripts holds each script of a directory to the rules of the scripts: the shebang
// that makes Redis refuse one before its first write when memory is out, and a head that
// says what it takes, returns and costs.
func CheckScripts(t *testing.T, files fs.FS) {
	names, err := fs.Glob(files, "*.lua")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, name := range names {
		text := lua.Source(files, strings.TrimSuffix(name, ".lua"))
		if line, _, _ := strings.Cut(text, "\n"); !strings.HasPrefix(line, "#!lua") {
			t.Errorf("%s begins with %q", name, line)
		}
		for _, word := range []string{"-- KEYS", "-- ARGV", "-- Returns", "-- Cost"} {
			if !strings.Contains(text, "\n"+word) {
				t.Errorf("%s has no %s in its header", name, word)
			}
		}
		if strings.Contains(text, "-- include") {
			t.Errorf("%s has an include line that nothing replaced", name)
		}
	}
}

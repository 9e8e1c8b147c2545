package redis

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRooms wants the packages below this one to know none that stands above them.
func TestRooms(t *testing.T) {
	const here = "rest-sessions/store/redis"
	for room, below := range map[string][]string{
		"layout":   {},
		"reply":    {},
		"wire":     {"layout", "github.com/redis/rueidis"},
		"near":     {"layout", "wire", "github.com/redis/rueidis"},
		"registry": {"layout", "wire", "github.com/redis/rueidis"},
		"list":     {"layout", "reply", "wire", "github.com/redis/rueidis"},
	} {
		out, err := exec.Command("go", "list", "-deps", "./internal/"+room).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			name := strings.TrimPrefix(dep, here+"/internal/")
			ours := strings.HasPrefix(dep, here) || dep == "github.com/redis/rueidis"
			if ours && name != room && !slices.Contains(below, name) {
				t.Errorf("%s depends on %s", room, dep)
			}
		}
	}
}

// TestCallsShareAConnection wants each command that is no batch's to say ToPipe. Else rueidis
// makes a connection for it that it then uses for batches, too, and that is not made for them
// (see wire's batchConn).
func TestCallsShareAConnection(t *testing.T) {
	found := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || path == "internal/wire/script.go" {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, ".Build()") && !strings.Contains(line, "dedicated.") {
				found++
				if !strings.Contains(line, ".Build().ToPipe()") {
					t.Errorf("%s: %s", path, strings.TrimSpace(line))
				}
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d commands: %v", found, err)
	}
}

package redis

import (
	"os/exec"
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

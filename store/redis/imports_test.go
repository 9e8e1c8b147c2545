package redis

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRooms wants the packages below this one to know nothing of those above them.
func TestRooms(t *testing.T) {
	const here = "rest-sessions/store/redis"
	for _, c := range []struct{ room, forbidden string }{
		{"layout", "github.com/redis/rueidis"},
		{"layout", here},
		{"layout", here + "/internal/"},
	} {
		out, err := exec.Command("go", "list", "-deps", "./internal/"+c.room).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			above := dep == c.forbidden || strings.HasSuffix(c.forbidden, "/") && strings.HasPrefix(dep, c.forbidden)
			if above && dep != here+"/internal/"+c.room {
				t.Errorf("%s depends on %s", c.room, dep)
			}
		}
	}
}

package migrate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

// TestNodeTokens migrates tokens that carry no bucket.
func TestNodeTokens(t *testing.T) {
	server := redistest.Start(t)
	from := open(t, at(t, server, ""))
	var foreign []string
	for i := range 50 {
		id := "user " + strconv.Itoa(i)
		create(t, from, "shop", id)
		token := store.NewToken(id + "x")
		if store.Bucket(id)%redis.DefaultBuckets != store.Bucket(id+"x")%redis.DefaultBuckets {
			createAs(t, from, "shop", id, token)
			foreign = append(foreign, fmt.Sprintf("shop %s %q", token, id))
		}
	}
	n := len(foreign)
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{From: at(t, server, ""), To: at(t, cluster(t).Masters[0], ""), Last: true, List: path}
	said, err := run(t, context.Background(), o)
	want(t, said, err, fmt.Sprintf("shop: %d live in the source, 50 copies live in the target, %d have a token that was not made", 50+n, n), "complete")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(lines)
	slices.Sort(foreign)
	if !slices.Equal(lines, foreign) {
		t.Errorf("the list is %q, not %q", lines, foreign)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the list: %v, %v", info.Mode(), err)
	}
	for _, line := range foreign {
		if token := strings.Fields(line)[1]; strings.Contains(said, token[:7]) {
			t.Errorf("it said %s", token)
		}
	}

	// One Redis takes them as they are.
	o.To, o.List = at(t, server, "-b"), ""
	said, err = run(t, context.Background(), o)
	want(t, said, err, fmt.Sprintf("%d copies", 50+n))
	to := open(t, o.To)
	for _, line := range foreign {
		get(t, to, "shop", strings.Fields(line)[1])
	}
}

// TestBroken migrates what is no session as it should be.
func TestBroken(t *testing.T) {
	server := redistest.Start(t)
	o := Options{From: at(t, server, "-a"), To: at(t, server, "-b"), Last: true}
	from := open(t, o.From)
	prefix := o.From.Namespace + ":shop:"
	token := func(i int) string { return strings.Repeat(strconv.Itoa(i), store.TokenLen) }
	for i := range 7 {
		createAs(t, from, "shop", "user"+strconv.Itoa(i), token(i))
	}
	long := strings.Repeat("long ", 1000)
	createAs(t, from, "shop", long, token(7))
	server.Do(t, "HDEL", prefix+token(0), "r")
	server.Do(t, "HSET", prefix+token(1), "w", "many")
	server.Do(t, "HSET", prefix+token(2), "la", "1e9")
	server.Do(t, "DEL", prefix+token(3))
	server.Do(t, "LPUSH", prefix+token(3), "x")
	server.Do(t, "DEL", prefix+token(4))
	server.Do(t, "ZADD", prefix+"_sessions", "5", "nonsense", "6", ":", "7", "short:id")
	server.Do(t, "SET", o.From.Namespace+":no:_sessions", "x") // two letters: no app
	said, err := run(t, context.Background(), o)
	want(t, said, err, "3 copied", "4 left out, since they cannot be read", "shop: 3 live in the source, 3 copies", "the session 222222… cannot be read", "complete")
	if strings.Contains(said, "2222222") {
		t.Error("a token was shown")
	}
	if s := get(t, open(t, o.To), "shop", token(7)); s.ID != long {
		t.Errorf("a session with a long id is of %.20q", s.ID)
	}
}

package migrate

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store/redis"
)

// TestParse reads command lines.
func TestParse(t *testing.T) {
	server := redis.Options{URL: "redis://u:secret@here", Namespace: "drs", Buckets: 32, TLS: redis.TLS{ServerName: "here"}}
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("redis://:hidden@there:7000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]Options{
		"--from redis://a --to redis://b": {Rate: defaultRate, From: redis.Options{URL: "redis://a", Namespace: "drs"}, To: redis.Options{URL: "redis://b", Namespace: "drs"}},
		"--from redis://a --to redis://a --to-namespace rs --last --list f": {Last: true, List: "f",
			From: redis.Options{URL: "redis://a", Namespace: "drs"}, To: redis.Options{URL: "redis://a", Namespace: "rs"}},
		"--from redis://a --to @" + file + " --rate 7 --dry-run --from-namespace rs": {Rate: 7, DryRun: true,
			From: redis.Options{URL: "redis://a", Namespace: "rs"}, To: redis.Options{URL: "redis://:hidden@there:7000", Namespace: "drs"}},
	} {
		want.From.Buckets, want.To.Buckets, want.From.Timeout, want.To.Timeout = 32, 32, timeout, timeout
		if got, err := parse(strings.Fields(args), server, io.Discard); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, %v, not\n%+v", args, got, err, want)
		}
	}
	for args, want := range map[string]string{
		"":                                      "--to is missing",
		"--to":                                  "needs an argument",
		"--to redis://b more":                   `"more"`,
		"--to redis://b --rate many":            "--help",
		"--to redis://b --last --dry-run":       "cannot be used together",
		"--to redis://b --to-namespace a:b":     "--to-namespace",
		"--to http://:hunter@b":                 "--to: the URL must begin with",
		"--from http://:hunter@b --to redis://": "--from: the URL",
		"--to @/no/such/file":                   "--to: open /no/such/file",
		"--to redis://:hunter/@b":               "a host in the URL",
	} {
		_, err := parse(strings.Fields(args), redis.Options{URL: "redis://a", Namespace: "drs"}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, not %s", args, err, want)
		}
	}
}

// TestAccess migrates as a user who may do no more than docs/redis.md says.
func TestAccess(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?s)ACL SETUSER sessions (on .*?)\n` + "```").FindSubmatch(manual)
	onCluster := regexp.MustCompile("```text\nACL SETUSER sessions (\\+cluster.*)\n```").FindSubmatch(manual)
	more := regexp.MustCompile("ACL SETUSER sessions (\\+scan.*)\n").FindSubmatch(page)
	if rule == nil || onCluster == nil || more == nil {
		t.Fatal("docs/redis.md has no ACL SETUSER for a migration")
	}
	server, c := redistest.Start(t), cluster(t)
	o := Options{From: at(t, server, ""), To: at(t, c.Masters[0], "")}
	for _, s := range append(c.Masters[:3:3], server) {
		text := strings.ReplaceAll(string(rule[1])+" "+string(onCluster[1])+" "+string(more[1]), "drs:", o.From.Namespace+":")
		rules := append([]string{"ACL", "SETUSER", "sessions"}, strings.Fields(strings.NewReplacer("\\", " ", ">PASSWORD", ">word").Replace(text))...)
		if reply := s.Do(t, rules...); reply != "OK" {
			t.Fatalf("%q: %v", rules, reply)
		}
	}
	token := create(t, open(t, o.From), "shop", "user")
	kept := create(t, open(t, o.From), "shop", "other")
	for _, side := range []*redis.Options{&o.From, &o.To} {
		side.User, side.Password = "sessions", "word"
	}
	said, err := run(t, context.Background(), o)
	want(t, said, err, "2 copied")
	kill(t, open(t, o.From), "shop", token)
	o.Last = true
	said, err = run(t, context.Background(), o)
	want(t, said, err, "1 ended", "complete")
	get(t, open(t, o.To), "shop", kept)
}

package redis

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// FuzzMembers holds how scripts split the members of indexes, app:token:id and token:id,
// against Go: of any user's id they find the session and all that belongs to it; and
// a member of any other form is taken out, with what has the name that it gives, and
// nothing else.
func FuzzMembers(f *testing.F) {
	for _, id := range []string{"user", "a:b", ":", "::", "a:", "us:a", "_users", "a\x00:b", "é😀", "%", "", "\n", "a\nb:c", "^([^:]*)$"} {
		f.Add(id, "app:"+strings.Repeat("t", store.TokenLen)+":"+id)
		f.Add("x", id)
	}
	server := redistest.Start(f)
	s := openTest(f, server, nil)
	f.Cleanup(s.Close)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, id, member string) {
		left := func(what string) {
			t.Helper()
			if keys := strs(t, server.Do(t, "KEYS", s.keys.NS+"*")); len(keys) > 0 {
				t.Errorf("id %q, member %q: %s leaves %q", id, member, what, keys)
				server.Do(t, append([]string{"DEL"}, keys...)...)
			}
		}
		if store.ValidID(id) {
			for name, end := range map[string]func(token string) (int64, error){
				"killall":  func(string) (int64, error) { return s.KillApp(ctx, "app") },
				"killsoid": func(string) (int64, error) { return s.KillID(ctx, "app", id, "") },
				"wipe": func(token string) (int64, error) {
					server.Do(t, "HSET", classicKeys(s).session("app", token), "la", "1")
					server.Do(t, "ZADD", classicKeys(s).wipe(), "1", "app:"+token+":"+id)
					return s.Wipe(ctx)
				},
			} {
				token := create(t, s, "app", id, 1000)
				p := layout.Classic(s.keys.NS).OfID("app", id)
				if got := p.Token(p.Session(token)); got != token || layout.Classic(s.keys.NS).AppOf(p.Prefix) != "app" {
					t.Errorf("the key of %q names %q", token, got)
				}
				if all, err := readList(ctx, s.SessionsOfApp(ctx, "app", 60)); err != nil || len(all) != 1 || all[0].ID != id {
					t.Errorf("soapp: %+v, %v", all, err)
				}
				if n, err := end(token); n != 1 || err != nil {
					t.Errorf("%s of %q: %d, %v", name, id, n, err)
				}
				left(name)
			}
		}

		// What nobody made, in both indexes. Beside it is a session that stays.
		stays := create(t, s, "other", "stays", 1000)
		before := fmt.Sprint(contents(t, server, s, "other"))
		app, rest, _ := strings.Cut(member, ":")
		token, user, whole := strings.Cut(rest, ":")
		if whole && app != "other" && token != "_users" && token != "_sessions" { // half a session, and its entries
			server.Do(t, "SADD", s.keys.NS+app+":us:"+user, token)
			server.Do(t, "HSET", s.keys.NS+app+":"+token, "r", "1")
			server.Do(t, "ZADD", s.keys.NS+app+":_users", "1", user)
			server.Do(t, "ZADD", s.keys.NS+app+":_sessions", "1", token+":"+user)
		}
		if app != "other" {
			server.Do(t, "ZADD", classicKeys(s).wipe(), "1", member)
		}
		server.Do(t, "ZADD", classicKeys(s).sessions("app"), "1", member)
		if _, err := s.Wipe(ctx); err != nil {
			t.Errorf("%q: wipe: %v", member, err)
		}
		if _, err := s.KillApp(ctx, "app"); err != nil {
			t.Errorf("%q: killall: %v", member, err)
		}
		if after := fmt.Sprint(contents(t, server, s, "other")); after != before {
			t.Errorf("%q: another session was %s, is %s", member, before, after)
		}
		if found, err := s.Kill(ctx, "other", stays); !found || err != nil {
			t.Errorf("%q: another session is gone: %v", member, err)
		}
		left("all")
	})
}

// contents returns what there is of an app's session.
func contents(t *testing.T, server *redistest.Server, s *Store, app string) []any {
	t.Helper()
	prefix := classicKeys(s).prefix(app)
	return []any{
		server.Do(t, "ZRANGE", prefix+"_sessions", "0", "-1", "WITHSCORES"), server.Do(t, "ZRANGE", prefix+"_users", "0", "-1", "WITHSCORES"),
		server.Do(t, "SMEMBERS", prefix+"us:stays"), strings.Count(fmt.Sprint(server.Do(t, "ZRANGE", classicKeys(s).wipe(), "0", "-1")), app+":"),
	}
}

package storetest

import (
	"fmt"
	"strings"

	"rest-sessions/store"
)

// ids are what an id may be: some are what another begins or ends with, or look
// like a part of a key, of a member of an index, or of a pattern.
var ids = []string{
	"a", "a:", ":a", "a:b", "a:b:c", "b:c", "c", ":", "::", " ", "  ", " a ", "/", "%2F", "%252F", "a/b", "a%2Fb",
	"\x00", "a\x00", "a\x00b", "\t", "\x7f", "\x1b[0m", `"`, `'`, `\`, `\"`, `{}`, `{a}`, `{`, `null`, `0`, `-1`,
	`1e3`, `%s`, `%d`, `%00`, `*`, `?`, `[a]`, `.`, `..`, `us`, `us:a`, `_sessions`, `_users`, `SESSIONS`, `+`,
	"é", "e\u0301", "😀", "👩\u200d👩\u200d👧", "日本語", "\ufeff", "\ufffd", "\U0010ffff", "A", "(a", "[a", "+inf", "-inf",
	strings.Repeat("x", 127), strings.Repeat("x", 128), strings.Repeat("😀", 128), strings.Repeat("😀", 127) + ":",
	strings.Repeat("Aa0_", 16), "__proto__",
}

func testIDs(s *suite) {
	for round, end := range []func(app string, tokens map[string][]string){
		func(app string, tokens map[string][]string) {
			for i, id := range ids {
				s.wantKillID(app, id, 2)
				s.wantActivity(app, forever, int64(len(ids)-1-i))
			}
		},
		func(app string, tokens map[string][]string) {
			for i, id := range ids {
				s.kill(app, tokens[id][0])
				s.wantActivity(app, forever, int64(len(ids)-i))
				s.kill(app, tokens[id][1])
				s.wantActivity(app, forever, int64(len(ids)-1-i))
			}
		},
		func(app string, _ map[string][]string) { s.wantKillApp(app, int64(2*len(ids))) },
		func(string, map[string][]string) {
			s.clock.Advance(forever)
			s.wantWipe(int64(2 * len(ids)))
		},
	} {
		app := fmt.Sprint("app", round)
		tokens := map[string][]string{}
		for range 2 {
			for _, id := range ids {
				tokens[id] = append(tokens[id], s.create(app, store.New{ID: id}))
			}
		}
		s.wantActivity(app, forever, int64(len(ids)))
		listed := map[string]int{}
		for _, session := range s.ofApp(app, forever) {
			listed[session.ID]++
		}
		s.clock.Advance(61) // so that touches write every index
		for _, id := range ids {
			if listed[id] != 2 {
				s.Errorf("id %q is listed %d times, want 2", id, listed[id])
			}
			if got := s.get(app, tokens[id][0]).ID; got != id {
				s.Errorf("id %q came back as %q", id, got)
			}
			if got := s.set(app, tokens[id][1], data(`"a"`, `1`)).ID; got != id {
				s.Errorf("id %q came back from Set as %q", id, got)
			}
			s.wantIDs(s.ofID(app, id), id, id)
		}
		end(app, tokens)
		s.wantActivity(app, forever, 0)
		s.wantIDs(s.ofApp(app, forever))
		for _, id := range ids {
			s.wantIDs(s.ofID(app, id))
			s.gone(app, tokens[id][0])
			s.gone(app, tokens[id][1])
		}
		s.wantKillApp(app, 0)
	}
}

func testIPs(s *suite) {
	for _, ip := range []string{
		"1", "::1", "::ffff:255.255.255.255", "not an address", "a:b{}\"\\\x00", strings.Repeat("😀", 45), "null",
	} {
		token := s.create("app", store.New{ID: "u", IP: ip, Data: data(`"a"`, `1`)})
		if got := s.get("app", token); got.IP != ip || got.ID != "u" || got.D != `{"a":1}` {
			s.Errorf("ip %q: %+v", ip, got)
		}
	}
}

// What apps are called is in no other's way, nor in that of the store's own
// names.
func testApps(s *suite) {
	apps := []string{
		"app", "App", "app1", "ap-", "ap_", "aap", "SESSIONS", "_sessions", "_users", "cache", "---", "___", "123",
		"abcdefghijklmnopqrst", "abcdefghijklmnopqrs",
	}
	tokens := map[string]string{}
	for i, app := range apps {
		for range i + 1 {
			tokens[app] = s.create(app, store.New{ID: "u", IP: app, TTL: 100})
		}
	}
	s.clock.Advance(61)
	for i, app := range apps {
		for _, other := range apps {
			if other != app {
				s.gone(other, tokens[app])
			}
		}
		if got := s.get(app, tokens[app]); got.IP != app {
			s.Errorf("app %s answers the session of %s", app, got.IP)
		}
		if n := len(s.ofID(app, "u")); n != i+1 {
			s.Errorf("app %s lists %d sessions of the user, want %d", app, n, i+1)
		}
		for _, got := range s.ofApp(app, forever) {
			if got.IP != app {
				s.Errorf("app %s lists a session of %s", app, got.IP)
			}
		}
		s.wantActivity(app, 10, 1)
	}
	for i, app := range apps {
		switch i % 3 {
		case 0:
			s.wantKillApp(app, int64(i+1))
		case 1:
			s.wantKillID(app, "u", int64(i+1))
		}
	}
	var left int64
	for i, app := range apps {
		want := 0
		if i%3 == 2 {
			want = i + 1
		}
		left += int64(want)
		if n := len(s.ofApp(app, forever)); n != want {
			s.Errorf("app %s has %d sessions left, want %d", app, n, want)
		}
	}
	s.clock.Advance(1000)
	s.wantWipe(left)
}

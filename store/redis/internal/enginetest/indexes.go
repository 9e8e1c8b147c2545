// Package enginetest is what tests of several packages of the engine need: what must hold
// of indexes and of scripts.
package enginetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// Hash returns the fields of a hash.
func Hash(tb testing.TB, server *redistest.Server, key string) map[string]string {
	tb.Helper()
	fields := Strings(tb, server.Do(tb, "HGETALL", key))
	h := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		h[fields[i]] = fields[i+1]
	}
	return h
}

// Strings turns a reply of redistest into strings.
func Strings(tb testing.TB, reply any) []string {
	tb.Helper()
	list, ok := reply.([]any)
	if !ok {
		tb.Fatalf("a list was expected, not %v", reply)
	}
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = fmt.Sprint(v)
	}
	return texts
}

// CheckIndexes holds every index of a namespace against its hashes: each session has all
// its entries, with scores in their bounds, and no entry is without a session.
func CheckIndexes(t *testing.T, nodes []*redistest.Server, l layout.Layout) {
	t.Helper()
	registry := layout.RegistryKeys(l.NS)
	seen := map[string]bool{}     // every key that was looked at
	entries := map[string]int64{} // "key member" of each zset entry, and its score
	sets := map[string]bool{}     // "key member" of each set entry
	hashes := map[string]map[string]string{}
	serverOf := map[string]*redistest.Server{}
	type nodeKey struct {
		server *redistest.Server
		key    string
	}
	var keys []nodeKey
	for _, server := range nodes {
		for _, key := range Strings(t, server.Do(t, "KEYS", l.NS+"*")) {
			if !slices.Contains(registry, key) {
				keys = append(keys, nodeKey{server, key})
			}
		}
	}
	for _, k := range keys {
		server, key := k.server, k.key
		if seen[key] {
			t.Errorf("%s is on two nodes", key)
		}
		seen[key] = true
		switch kind := fmt.Sprint(server.Do(t, "TYPE", key)); kind {
		case "zset":
			list := Strings(t, server.Do(t, "ZRANGE", key, "0", "-1", "WITHSCORES"))
			for i := 0; i < len(list); i += 2 {
				score, err := strconv.ParseFloat(list[i+1], 64)
				if err != nil {
					t.Errorf("%s: the score %s is no number", key, list[i+1])
				}
				if strings.HasSuffix(key, ":SESSIONS") {
					score++ // the second in which it falls is the one before
				}
				entries[key+" "+list[i]] = int64(score)
			}
		case "set":
			for _, member := range Strings(t, server.Do(t, "SMEMBERS", key)) {
				sets[key+" "+member] = true
			}
		case "hash":
			hashes[key], serverOf[key] = Hash(t, server, key), server
		default:
			t.Errorf("%s is a %s", key, kind)
		}
	}
	users := map[string]bool{}
	for key, h := range hashes {
		end := max(0, len(key)-store.TokenLen)
		prefix, token := key[:end], key[end:]
		if h["id"] == "" && (h["to"] != "" || h["root"] != "") {
			checkAlias(t, serverOf[key], key, h)
			continue
		}
		if !strings.HasSuffix(prefix, ":") || h["id"] == "" {
			t.Errorf("%s is a hash without an id: %v", key, h)
			continue
		}
		la, _ := strconv.ParseInt(h["la"], 10, 64)
		ttl, _ := strconv.ParseInt(h["ttl"], 10, 64)
		take := func(key, member string, least, most int64) {
			score, ok := entries[key+" "+member]
			if !ok || score < least || score > most {
				t.Errorf("%s of a session with la %d, ttl %d: %s is %d (%v), not from %d to %d", key, la, ttl, member, score, ok, least, most)
			}
			delete(entries, key+" "+member)
		}
		last, _ := strconv.ParseInt(h["end"], 10, 64)
		armed := store.WipeAt(la, ttl, h["no_resave"] == "1", last)
		app := l.AppOf(prefix)
		of := l.OfToken(app, token)
		if of.Prefix != prefix || l.OfID(app, h["id"]) != of {
			t.Errorf("%s of %q belongs into %s", key, h["id"], of.Prefix)
		}
		take(of.Sessions(), token+":"+h["id"], la-store.MaxWindow+1, la)
		take(of.Wipe, app+":"+token+":"+h["id"], armed, armed)
		users[of.Users()+" "+h["id"]] = true
		if member := of.User(h["id"]) + " " + token; !sets[member] {
			t.Errorf("no set entry %s", member)
		} else {
			delete(sets, member)
		}
	}
	for user := range users {
		if _, ok := entries[user]; !ok {
			t.Errorf("no entry %s", user)
		}
		delete(entries, user)
	}
	if len(entries)+len(sets) > 0 {
		t.Errorf("entries without a session: %v %v", entries, sets)
	}
}

// checkAlias looks at what is left of an old token: it goes by itself, soon after the
// longest grace, and has nothing that only a session has.
func checkAlias(t *testing.T, server *redistest.Server, key string, h map[string]string) {
	t.Helper()
	left, err := strconv.Atoi(fmt.Sprint(server.Do(t, "TTL", key)))
	if err != nil || left < 0 || left > store.MaxGrace+1 {
		t.Errorf("the alias %s lives for %d s (%v)", key, left, err)
	}
	for field := range h {
		if field != "to" && field != "root" && field != "end" {
			t.Errorf("the alias %s has the field %s", key, field)
		}
	}
}

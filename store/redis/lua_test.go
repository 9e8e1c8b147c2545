package redis

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/goccy/go-json"

	"rest-sessions/store"
	"rest-sessions/store/redis/redistest"
)

// TestScriptHeaders holds each script to the rules of the folder: the shebang
// that makes Redis refuse it before its first write when memory is out, and a
// header that says what it takes, returns and costs.
func TestScriptHeaders(t *testing.T) {
	files, err := luaFiles.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	scripts := 0
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		scripts++
		text := luaSource(strings.TrimSuffix(f.Name(), path.Ext(f.Name())))
		if line, _, _ := strings.Cut(text, "\n"); !strings.HasPrefix(line, "#!lua") {
			t.Errorf("%s begins with %q", f.Name(), line)
		}
		for _, word := range []string{"-- KEYS", "-- ARGV", "-- Returns", "-- Cost"} {
			if !strings.Contains(text, "\n"+word) {
				t.Errorf("%s has no %s in its header", f.Name(), word)
			}
		}
		if strings.Contains(text, "-- include") {
			t.Errorf("%s has an include line that nothing replaced", f.Name())
		}
	}
	if scripts == 0 {
		t.Error("no scripts")
	}
}

// FuzzSetData holds the walker in set.lua against store.Data.Merge: the same text
// comes out of both, and what one refuses the other does.
func FuzzSetData(f *testing.F) {
	for _, c := range [][2]string{
		{`{"a":1,"b":"x"}`, `{"a":null,"c":true}`},
		{`{"a":"\"}{,:","\\":"\\\\"}`, `{"\\":1,"a":null}`},
		{``, `{"a":null}`},
		{`{}`, `{"a":1}`},
		{`{"a":1,"a":2,"b":3}`, `{"a":4}`},
		{`{"a":1,"a":2}`, `{"a":null}`},
		{`{"é✓😀":"é\u00e9"}`, `{"é✓😀":-1.5E+10}`},
		{`{"a":1`, `{"b":1}`}, {`{"a"}`, `{"b":1}`}, {`{"a":}`, `{"b":1}`}, {`{,}`, `{"b":1}`}, {`{"a":1,}`, `{"b":1}`},
		{`{"a":[1]}`, `{"b":1}`}, {`{"a": 1}`, `{"b":1}`}, {`{"a":1} `, `{"b":1}`}, {`x`, `{"b":1}`}, {`{"a":"x"y}`, `{"b":1}`},
		{`{"a":null,"b":1}`, `{"c":1}`}, {"{\"a\":\"\x00\"}", `{"b":"\u0000"}`}, {`{"a":1e}`, `{"b":1}`}, {`{"a":é}`, `{"b":1}`},
	} {
		f.Add(c[0], c[1])
	}
	server := redistest.Start(f)
	s := openTest(f, server, nil)
	f.Cleanup(s.Close)
	ctx := context.Background()
	token := create(f, s, "app", "user", 1_000_000)
	key := s.keys.session("app", token)
	f.Fuzz(func(t *testing.T, stored, change string) {
		d := flat(change)
		if len(d) == 0 {
			return
		}
		server.Do(t, "HSET", key, "d", stored)
		want, ok := d.Merge(stored)
		got, err := s.Set(ctx, "app", token, d)
		if ok != (err == nil) {
			t.Fatalf("%q with %q: set says %v, Merge %v", stored, change, err, ok)
		}
		if ok && got.D != data(want) {
			t.Fatalf("%q with %q: set makes %q, Merge %q", stored, change, got.D, want)
		}
	})
}

// flat reads a flat JSON object with encoding's own rules; nil if text is none.
func flat(text string) store.Data {
	var values map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &values) != nil {
		return nil
	}
	var d store.Data
	for name, value := range values {
		if v := string(value); strings.ContainsAny(v[:1], "{[") {
			return nil
		}
		key, err := json.MarshalWithOption(name, json.DisableHTMLEscape())
		if err != nil {
			return nil
		}
		d = append(d, store.Field{Key: string(key), Value: string(value)})
	}
	return d
}

// FuzzParseSession feeds the reader of replies what no script makes, and what one
// makes of every session.
func FuzzParseSession(f *testing.F) {
	f.Add("1 1 2 1 2 3 4 0\nab{}", "id", "ip", "{\"a\":1}", int64(1), int64(2))
	f.Add("5 1 0 1 2 3 4 0\nab", "", "", "", int64(-1), int64(0))
	f.Add("", "\n", " ", "", int64(1<<52), int64(7))
	f.Add("9223372036854775807 9223372036854775807 2 1 2 3 4 0\nab", "", "", "", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, reply, id, ip, d string, r, ttl int64) {
		parseSession(reply)  // must not panic
		const most = 1 << 53 // where Lua's doubles end
		if r < -most || r > most || ttl < -most || ttl > most {
			return
		}
		want := store.Session{ID: id, IP: ip, D: data(d), R: r, W: 7, TTL: ttl, Idle: 3, NoResave: true}
		text := fmt.Sprintf("%d %d %d %d 7 %d 3 1\n%s%s%s", len(id), len(ip), len(d), r, ttl, id, ip, d)
		if got, err := parseSession(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	})
}

package storetest

import (
	"fmt"
	"strings"

	"rest-sessions/store"
)

// Keys left out stay, null removes, a changed key keeps its place, new ones come
// last.
func testMerge(s *suite) {
	token := s.create("app", store.New{ID: "u", Data: data(`"a"`, `1`, `"b"`, `2`, `"c"`, `3`)})
	for _, step := range []struct {
		change store.Data
		want   string
	}{
		{data(`"b"`, `"two"`), `{"a":1,"b":"two","c":3}`},
		{data(`"d"`, `true`, `"a"`, `false`), `{"a":false,"b":"two","c":3,"d":true}`},
		{data(`"z"`, `null`), `{"a":false,"b":"two","c":3,"d":true}`},
		{data(`"a"`, `null`), `{"b":"two","c":3,"d":true}`},
		{data(`"d"`, `null`, `"e"`, `5`), `{"b":"two","c":3,"e":5}`},
		{data(`"a"`, `0`), `{"b":"two","c":3,"e":5,"a":0}`},
		{data(`"e"`, `1`, `"x"`, `null`, `"y"`, `""`, `"b"`, `2`), `{"b":2,"c":3,"e":1,"a":0,"y":""}`},
		{data(`"a"`, `null`, `"b"`, `null`, `"c"`, `null`, `"y"`, `null`), `{"e":1}`},
		{data(`"e"`, `null`), ``},
		{data(`"e"`, `null`), ``},
		{data(`"e"`, `"null"`), `{"e":"null"}`},
		{data(`"E"`, `1`), `{"e":"null","E":1}`},
	} {
		if got := s.set("app", token, step.change); got.D != step.want {
			s.Fatalf("Set(%q) answers %q, want %q", step.change, got.D, step.want)
		}
		if got := s.get("app", token); got.D != step.want {
			s.Fatalf("Set(%q) left %q, want %q", step.change, got.D, step.want)
		}
	}
}

// Whatever keys and values hold comes back byte by byte, and is not taken for
// the end of something.
func testMergeKeepsText(s *suite) {
	texts := []string{
		``, ` `, `,`, `:`, `{`, `}`, `[`, `]`, `null`, `true`, `0`, `\"`, `\\`, `\\\"`, `\\\\`, `\"\\`,
		`{\"a\":1}`, `\",\"b\":\"`, `\":1,\"`, `}{`, `%d%s%00`, `%1`, `.*`, `a/b`, `a\/b`, `\u0000`, `\u2028`,
		`\n\t\r\b\f`, `\ud83d\ude00`, `é✓😀`, "\u007f", `'`, "`", `__proto__`, `-1`, `*`, `$1`, "\u2028",
	}
	raw := []string{
		`0`, `-0`, `1.0`, `1e3`, `1E+3`, `-1.50e-07`, `12345678901234567890`, `9007199254740993`, `0.1`,
		`123456789012345678901234567890.123456789`, `true`, `false`,
	}
	token := s.create("app", store.New{ID: "u"})
	var want []string
	check := func(d store.Data) {
		s.Helper()
		text := "{" + strings.Join(want, ",") + "}"
		if got := s.set("app", token, d); got.D != text {
			s.Fatalf("Set(%q) answers\n%s, want\n%s", d, got.D, text)
		}
	}
	for i, text := range texts {
		key, value := `"`+text+`"`, `"`+texts[(i*7+3)%len(texts)]+`"`
		want = append(want, key+":"+value)
		check(data(key, value))
	}
	for i, text := range texts {
		key, value := `"`+text+`"`, raw[i%len(raw)]
		want[i] = key + ":" + value
		check(data(key, value))
	}
	if got := s.get("app", token).D; got != "{"+strings.Join(want, ",")+"}" {
		s.Errorf("stored\n%s, want\n%s", got, want)
	}
	for i := len(texts) - 1; i > 0; i-- {
		want = want[:i]
		check(data(`"`+texts[i]+`"`, `null`))
	}
}

// A nested value is one value: replaced whole, removed whole, and its keys are none of
// the session's.
func testMergeNested(s *suite) {
	cart := `{"items":[{"sku":"a\"]}","n":1},{"sku":"b","n":null}],"b":{}}`
	token := s.create("app", store.New{ID: "u", Data: data(`"cart"`, cart, `"b"`, `2`, `"none"`, `null`)})
	want := `{"cart":` + cart + `,"b":2}`
	if got := s.get("app", token); got.D != want {
		s.Errorf("created with %q, want %q", got.D, want)
	}
	for _, step := range []struct {
		change store.Data
		want   string
	}{
		{data(`"b"`, deep), `{"cart":` + cart + `,"b":` + deep + `}`},
		{data(`"items"`, `[]`), `{"cart":` + cart + `,"b":` + deep + `,"items":[]}`},
		{data(`"items"`, `null`, `"b"`, `null`), `{"cart":` + cart + `}`},
		{data(`"cart"`, `{"items":null}`), `{"cart":{"items":null}}`},
		{data(`"cart"`, `[{}]`), `{"cart":[{}]}`},
		{data(`"cart"`, `null`), ``},
	} {
		if got := s.set("app", token, step.change); got.D != step.want {
			s.Fatalf("Set(%q) answers %q, want %q", step.change, got.D, step.want)
		}
		if got := s.get("app", token); got.D != step.want {
			s.Fatalf("Set(%q) left %q, want %q", step.change, got.D, step.want)
		}
	}
}

func testMergeManyKeys(s *suite) {
	const keys = 600
	token := s.create("app", store.New{ID: "u"})
	var all, odd store.Data
	for i := range keys {
		all = append(all, store.Field{Key: fmt.Sprintf(`"key %d"`, i), Value: fmt.Sprint(i)})
		value := "null"
		if i%4 == 1 {
			value = `"odd"`
		}
		if i%2 == 1 {
			odd = append(odd, store.Field{Key: all[i].Key, Value: value})
		}
	}
	var want []string
	for i, f := range all {
		switch i % 4 {
		case 0, 2:
			want = append(want, f.Key+":"+f.Value)
		case 1:
			want = append(want, f.Key+`:"odd"`)
		}
	}
	s.set("app", token, all)
	got := s.set("app", token, odd)
	if text := "{" + strings.Join(want, ",") + "}"; got.D != text {
		s.Errorf("%s\nwant\n%s", got.D, text)
	}
}

func testMergeBigData(s *suite) {
	big := `"` + strings.Repeat(`\\\"😀,:{}`, 2500) + `"`
	token := s.create("app", store.New{ID: "u", Data: data(`"big"`, big, `"n"`, `1`)})
	if got := s.get("app", token).D; got != `{"big":`+big+`,"n":1}` {
		s.Errorf("%d bytes came back as %d", len(big)+15, len(got))
	}
	if got := s.set("app", token, data(`"n"`, `2`, `"more"`, big)).D; got != `{"big":`+big+`,"n":2,"more":`+big+`}` {
		s.Errorf("%d bytes after a change of %d", len(got), len(big))
	}
	if got := s.set("app", token, data(`"big"`, `null`, `"more"`, `0`)).D; got != `{"n":2,"more":0}` {
		s.Errorf("%.100q", got)
	}
}

// A write is answered with itself counted, and does not count as a read.
func testSetCounts(s *suite) {
	token := s.create("app", store.New{ID: "u", TTL: 60})
	want := store.Session{ID: "u", IP: "127.0.0.1", R: 1, W: 1, TTL: 60}
	for i := range 4 {
		s.clock.Advance(int64(i))
		want.W++
		want.Idle = int64(i)
		want.D = fmt.Sprintf(`{"i":%d}`, i)
		s.want(s.set("app", token, data(`"i"`, fmt.Sprint(i))), want)
	}
	want.Idle = 0
	s.want(s.get("app", token), want)

	// A change that changes nothing is a write, too.
	want.W++
	want.R++
	s.want(s.set("app", token, data(`"none"`, `null`)), want)
}

func testSetRevivesNothing(s *suite) {
	never := store.NewToken("u")
	killed := s.create("app", store.New{ID: "u", TTL: 100})
	wiped := s.create("app", store.New{ID: "u", TTL: 10})
	s.kill("app", killed)
	s.clock.Advance(30)
	s.wantWipe(1)
	over := s.create("app", store.New{ID: "u", TTL: 10})
	s.clock.Advance(11)
	for _, token := range []string{never, killed, over, wiped} {
		s.gone("app", token)
	}
	s.wantIDs(s.ofID("app", "u"))
	s.wantIDs(s.ofApp("app", forever))
	s.wantKillApp("app", 1) // the one whose time is over
	s.wantActivity("app", forever, 0)
	s.clock.Advance(forever)
	s.wantWipe(0)
}

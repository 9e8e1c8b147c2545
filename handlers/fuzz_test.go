package handlers

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"rest-sessions/store"
)

// FuzzUnescape holds our percent-decoding against net/url's.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"", "a", "%41", "%2f%2F", "%", "%4", "%zz", "a+b", "%252F", "%E2%9C%93", "%00", "\xff", "a%2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, query := range []bool{false, true} {
			want, err := url.PathUnescape(s)
			if query {
				want, err = url.QueryUnescape(s)
			}
			if got, ok := unescape(s, query); ok != (err == nil) || ok && got != want {
				t.Errorf("unescape(%q, %v) = %q, %v; net/url: %q, %v", s, query, got, ok, want, err)
			}
		}
	})
}

// FuzzLookup holds the reading of a query against net/url's, which is lenient
// in other ways: only what both take is compared.
func FuzzLookup(f *testing.F) {
	for _, s := range []string{"", "ip=1", "ip=1&ip=2", "ip", "&&ip=a%20b", "%69p=x", "ip=%zz", "a=%zz&ip=1", "ip=a=b", "ip=1;ttl=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, found, wrong := lookup([]byte(query), "ip")
		ok := wrong == nil
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		switch all := values["ip"]; {
		case len(all) > 1:
			if ok {
				t.Errorf("%q has ip twice, and %q was taken", query, got)
			}
		case len(all) == 1:
			if !ok || !found || got != all[0] {
				t.Errorf("%q: %q, %v, not %q", query, got, ok, all[0])
			}
		case !ok || found || got != "":
			t.Errorf("%q has no ip: %q, %v", query, got, ok)
		}
	})
}

// FuzzParseData holds the reading of a body against encoding/json: what is valid,
// and which keys and values it has, in which order.
func FuzzParseData(f *testing.F) {
	for _, s := range []string{
		"", " ", "{}", "{", "null", "[]", `{"a":1}`, ` { "a" : 1.0 , "b" : null } `, `{"a":1,"a":2}`, `{"a":{"b":[1]}}`,
		`{"\u0061":"\ud83d\ude00\ud800x"}`, `{"\ud83d\ude00\ud800":1,"\uD800\u0041":2}`, `{"\ud83d\ude00":"\\ud800\ufffd"}`, `{"\ude00\ud83d":[{"a":"\uDFFF"}]}`, `{é:1}`, `{"a":"\"}{"}`, `{"\\":"\\"}`, "{\"a\":\"\xff\"}", `{"a":tru}`,
		`{"a":1}{}`, `{"\b\f\n\r\t\/\"\\\u0001\u007f\u2028":-1e5}`, `[[[`, `{"a":[{"b":"]}"}],"c":true}`,
		`{ "a" : [ { "b \" " : [ ] } , "\\" , 1 ] , "c":{ } }`, `{"a":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := checkJSON(body, 0)
		var invalid *apiError
		valid := utf8.Valid(body) && stdjson.Valid(body) && !hasLoneSurrogate(body)
		if refused := errors.As(err, &invalid) && invalid.name == "invalidJSON"; refused == valid || valid && err != nil {
			t.Fatalf("%q: %v, where encoding/json and unicode/utf16 say valid is %v", body, err, valid)
		}
		if !valid {
			return
		}
		d, err := parseData(body)
		if err != nil {
			return
		}
		var want store.Data
		var names []string
		decoder := stdjson.NewDecoder(bytes.NewReader(body))
		decoder.Token()
		for decoder.More() {
			key, _ := decoder.Token()
			var value stdjson.RawMessage
			if err := decoder.Decode(&value); err != nil {
				t.Fatalf("%q was taken: %v", body, err)
			}
			name := key.(string)
			place := -1
			for i := range names {
				if names[i] == name {
					place = i
				}
			}
			if place < 0 {
				place = len(names)
				names = append(names, name)
				want = append(want, store.Field{Key: string(appendString(nil, name))})
			}
			var compact bytes.Buffer
			stdjson.Compact(&compact, value)
			want[place].Value = compact.String()
		}
		if !reflect.DeepEqual(d, want) {
			t.Fatalf("%q: %q, not %q", body, d, want)
		}
	})
}

var (
	otherEscape = regexp.MustCompile(`\\[^u]`)
	unitEscapes = regexp.MustCompile(`(\\u[0-9A-Fa-f]{4})+`)
)

// hasLoneSurrogate decodes each run of \u escapes by unicode/utf16.
func hasLoneSurrogate(body []byte) bool {
	for _, run := range unitEscapes.FindAll(otherEscape.ReplaceAll(body, []byte("--")), -1) {
		var units []uint16
		own := 0 // U+FFFD that are spelt out
		for ; len(run) > 0; run = run[6:] {
			unit, _ := strconv.ParseUint(string(run[2:6]), 16, 16)
			units = append(units, uint16(unit))
			if unit == utf8.RuneError {
				own++
			}
		}
		for _, r := range utf16.Decode(units) {
			if r == utf8.RuneError {
				own--
			}
		}
		if own < 0 {
			return true
		}
	}
	return false
}

// FuzzAppendSession holds the rendering of a session against encoding/json.
func FuzzAppendSession(f *testing.F) {
	f.Add("id", "::1", `{"a":1}`, int64(1), int64(2), int64(3), int64(4), true)
	f.Add("\x00\x1f\"\\/\u2028\x7f😀", "", "", int64(-1), int64(0), int64(1<<62), int64(0), false)
	f.Add("\xff\xfea", "\xed\xa0\x80", "", int64(0), int64(0), int64(0), int64(0), false)
	f.Fuzz(func(t *testing.T, id, ip, d string, r, w, ttl, idle int64, noResave bool) {
		if !stdjson.Valid([]byte(d)) {
			d = ""
		}
		s := store.Session{ID: id, IP: ip, D: d, R: r, W: w, TTL: ttl, Idle: idle, NoResave: noResave}
		text := appendSession(nil, &s, 0)
		type session struct {
			ID       string             `json:"id"`
			R        int64              `json:"r"`
			W        int64              `json:"w"`
			TTL      int64              `json:"ttl"`
			Idle     int64              `json:"idle"`
			IP       string             `json:"ip"`
			NoResave bool               `json:"no_resave,omitempty"`
			D        stdjson.RawMessage `json:"d,omitempty"`
		}
		var got session
		if err := stdjson.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := session{strings.ToValidUTF8(id, "\ufffd"), r, w, ttl, idle, strings.ToValidUTF8(ip, "\ufffd"), noResave, []byte(strings.TrimSpace(d))}
		// ToValidUTF8 makes one mark of a run of bytes, we make one of each.
		if !utf8.ValidString(id) || !utf8.ValidString(ip) {
			want.ID, want.IP = eachInvalid(id), eachInvalid(ip)
		}
		if len(want.D) == 0 {
			want.D = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is %+v, not %+v", text, got, want)
		}
	})
}

func eachInvalid(s string) string { return string([]rune(s)) }

// FuzzAppendCut checks that no log shows a whole token.
func FuzzAppendCut(f *testing.F) {
	f.Add("/app/get/", "?x=1")
	f.Add("/app/wrong/", "")
	f.Add("http://site/?token=", "&a")
	f.Fuzz(func(t *testing.T, before, after string) {
		const token = "Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9Jj0Kk1Ll2Mm3Nn4Oo5Pp6Qq7Rr8Ss9Tt0Uu1V"
		if cut := string(redact(nil, []byte(before+token+after))); strings.Contains(cut, token[:tokenShown+1]) && !strings.Contains(before+after, token[:tokenShown+1]) {
			t.Errorf("%q shows the token", cut)
		}
	})
}

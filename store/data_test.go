package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"rest-sessions/store"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct{ stored, change, want string }{
		{``, `{}`, ``},
		{`{}`, `{}`, ``},
		{``, `{"a":1}`, `{"a":1}`},
		{`{}`, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1}`, `{"a":2}`, `{"a":2}`},
		{`{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		{`{"a":1,"b":2,"c":3}`, `{"c":30,"a":10}`, `{"a":10,"b":2,"c":30}`},
		{`{"a":1,"b":2}`, `{"d":4,"c":3}`, `{"a":1,"b":2,"d":4,"c":3}`},
		{`{"a":1}`, `{"a":null}`, ``},
		{``, `{"a":null}`, ``},
		{`{"a":1,"b":2,"c":3}`, `{"a":null}`, `{"b":2,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, `{"b":null}`, `{"a":1,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, `{"c":null,"d":null}`, `{"a":1,"b":2}`},
		{`{"a":1,"b":2}`, `{"a":null,"b":null,"c":"x"}`, `{"c":"x"}`},
		{`{"a":1}`, `{"a":"null"}`, `{"a":"null"}`},
		{`{"a":null}`, `{"b":1}`, `{"a":null,"b":1}`}, // stored by another; not ours to touch
		{`{"a":1,"b":2,"a":3}`, `{"a":9}`, `{"a":9,"b":2}`},
		{`{"a":1,"b":2,"a":3}`, `{"a":null}`, `{"b":2}`},
		{`{"a":1,"a":3}`, `{"b":2}`, `{"a":1,"a":3,"b":2}`},
		{`{"n":12345678901234567890,"f":1.0,"e":1e3,"m":-0}`, `{"x":1}`, `{"n":12345678901234567890,"f":1.0,"e":1e3,"m":-0,"x":1}`},
		{`{"a":1}`, `{"a":12345678901234567890}`, `{"a":12345678901234567890}`},
		{`{"":""}`, `{"":1}`, `{"":1}`},
		{`{"\"":1,"\\":2,"\\\"":3}`, `{"\\":null}`, `{"\"":1,"\\\"":3}`},
		{`{"a":"}","b":"{\"a\":1,","c":"\\"}`, `{"b":"]"}`, `{"a":"}","b":"]","c":"\\"}`},
		{`{"a:b,":":"}`, `{"a:b,":","}`, `{"a:b,":","}`},
		{`{"é":"😀"}`, `{"e":1}`, `{"é":"😀","e":1}`},
		{`{"a":true,"b":false}`, `{"a":false}`, `{"a":false,"b":false}`},
		{`{"a":"\ud83d\ude00\/"}`, `{"b":"\/"}`, `{"a":"\ud83d\ude00\/","b":"\/"}`},
	} {
		got, ok := change(t, c.change).Merge(c.stored)
		if !ok || got != c.want {
			t.Errorf("%s into %s: %s, %v, want %s", c.change, c.stored, got, ok, c.want)
		}
	}
}

func TestMergeMalformed(t *testing.T) {
	d := store.Data{{Key: `"x"`, Value: `1`}}
	for _, stored := range []string{
		` `, `null`, `0`, `""`, `"a"`, `[]`, `[1]`, `{`, `}`, `{}}`, `{}{}`, ` {}`, `{} `, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`,
		`{,"a":1}`, `{"a":1}}`, `{"a":1}x`, `{"a":1 }`, `{"a": 1}`, `{"a" :1}`, `{ "a":1}`, `{"a":1,"b"}`, `{"a":1"b":2}`,
		`{"a":1 ,"b":2}`, `{"a":1, "b":2}`, `{a:1}`, `{'a':1}`, `{"a:1}`, `{"a":"1}`, `{"a":"\"}`, `{"a":"\`, `{"a":{}}`,
		`{"a":{"b":1}}`, `{"a":[]}`, `{"a":[}`, `{"a":[1]}`, `{"a":[1,2]}`, `{"a":"x"y}`, `{"a":"x";"b":1}`, `{"a":1"x"}`, `{1:2}`, `{"a"::1}`, `{"a":1,,"b":2}`,
	} {
		if got, ok := d.Merge(stored); ok {
			t.Errorf("into %q: %q", stored, got)
		}
	}
}

func TestText(t *testing.T) {
	for _, text := range []string{`{}`, `{"a":1}`, `{"a":null,"b":"x,\"","":1.0}`} {
		if got := change(t, text).Text(); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// change reads a change of keys that are not there twice.
func change(t *testing.T, text string) store.Data {
	t.Helper()
	d, ok := fields(text)
	if !ok {
		t.Fatalf("%s is not a flat object", text)
	}
	return d
}

// fields reads the fields of a flat object without white space, keys and values
// in their own text, with encoding/json.
func fields(text string) (store.Data, bool) {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(text)) != nil || compact.String() != text || text[0] != '{' {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.Token()
	var d store.Data
	for dec.More() {
		start := dec.InputOffset()
		if text[start] == ',' {
			start++
		}
		dec.Token()
		key := text[start:dec.InputOffset()]
		var value json.RawMessage
		if dec.Decode(&value) != nil || value[0] == '{' || value[0] == '[' {
			return nil, false
		}
		d = append(d, store.Field{Key: key, Value: string(value)})
	}
	return d, true
}

// unique keeps the last of fields with the same key, in the first's place.
func unique(d store.Data) store.Data {
	var kept store.Data
	place := map[string]int{}
	for _, f := range d {
		if i, twice := place[f.Key]; twice {
			kept[i] = f
			continue
		}
		place[f.Key] = len(kept)
		kept = append(kept, f)
	}
	return kept
}

// merged is Merge as one would write it with time to spare.
func merged(stored, d store.Data) string {
	var result []string
	put := func(f store.Field) { result = append(result, f.Key+":"+f.Value) }
	index := func(in store.Data, key string) int {
		for i, f := range in {
			if f.Key == key {
				return i
			}
		}
		return -1
	}
	for i, f := range stored {
		n := index(d, f.Key)
		switch {
		case n < 0:
			put(f)
		case index(stored, f.Key) == i && d[n].Value != "null":
			put(d[n])
		}
	}
	for _, f := range d {
		if index(stored, f.Key) < 0 && f.Value != "null" {
			put(f)
		}
	}
	if result == nil {
		return ""
	}
	return "{" + strings.Join(result, ",") + "}"
}

func FuzzMerge(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"a":1}`, `{"a":1,"b":"x","c":null}`, `{"a":1,"a":2}`, `{"\"":"\\","\\":"\""}`, `{"a":"}","b":",\":"}`,
		`{"a":[1]}`, `{"a":{"b":1}}`, `{"a":tru}`, `{"a": 1}`, `{"a":1,}`, `{"é":"\ud83d"}`, `{"":-1.5e+7}`, `{"a":"\`,
	} {
		for _, other := range []string{``, `{"a":2,"z":"é"}`, `{"a":null,"b":null,"c":1}`, `{"\"":null,"\\":1.0}`} {
			f.Add(seed, other)
		}
	}
	f.Fuzz(func(t *testing.T, stored, text string) {
		d, ok := fields(text)
		if !ok {
			d = store.Data{{Key: `"x"`, Value: `1`}}
		}
		d = unique(d)
		got, merges := d.Merge(stored)
		before, flat := fields(stored)
		if stored == "" {
			before, flat = nil, true
		}
		if !flat {
			// Merge does not look into values, so some texts that are no JSON pass.
			// JSON that is no flat, compact object must not.
			if merges && json.Valid([]byte(stored)) {
				t.Errorf("%q, valid but not flat or compact, was merged to %q", stored, got)
			}
			return
		}
		if !merges {
			t.Fatalf("%q was refused", stored)
		}
		if want := merged(before, d); got != want {
			t.Fatalf("%q into %q: %q, want %q", fmt.Sprint(d), stored, got, want)
		}
		if again, ok := fields(got); got != "" && (!ok || again.Text() != got) {
			t.Errorf("%q is not a flat object", got)
		}
	})
}

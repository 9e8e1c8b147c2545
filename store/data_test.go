package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

func TestMerge(t *testing.T) {
	for _, c := range storetest.MergeCases {
		d, _ := storetest.ParseChange(c.Change)
		got, ok := d.Merge(c.Stored)
		if !ok || got != c.Want {
			t.Errorf("%s into %s: %s, %v, want %s", c.Change, c.Stored, got, ok, c.Want)
		}
	}
}

func TestMergeMalformed(t *testing.T) {
	d := store.Data{{Key: `"x"`, Value: `1`}}
	for _, stored := range storetest.Unmergeable {
		if got, ok := d.Merge(stored); ok {
			t.Errorf("into %q: %q", stored, got)
		}
	}
}

func TestText(t *testing.T) {
	for _, text := range []string{`{}`, `{"a":1}`, `{"a":null,"b":"x,\"","":1.0}`, `{"a":[{}]}`} {
		if d, ok := storetest.ParseChange(text); !ok || d.Text() != text {
			t.Errorf("%s became %s", text, d.Text())
		}
	}
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
		`{"a":[1]}`, `{"a":{"b":1}}`, `{"a":[{"b":"]"},[]],"b":{"a":[]}}`, `{"a":[1, {}]}`, `{"a":[}`, `{"a":tru}`, `{"a": 1}`, `{"a":1,}`, `{"é":"\ud83d"}`, `{"":-1.5e+7}`, `{"a":"\`,
	} {
		for _, other := range []string{``, `{"a":2,"z":"é"}`, `{"a":null,"b":null,"c":1}`, `{"\"":null,"\\":1.0}`, `{"a":{"a":[1]},"b":[]}`} {
			f.Add(seed, other)
		}
	}
	f.Fuzz(func(t *testing.T, stored, text string) {
		d, ok := storetest.ParseChange(text)
		if !ok {
			d = store.Data{{Key: `"x"`, Value: `1`}}
		}
		got, merges := d.Merge(stored)
		before, object := storetest.ParseObject(stored)
		if stored == "" {
			before, object = nil, true
		}
		if !object {
			// Merge does not look into values, so some texts that are no JSON pass.
			// JSON that is no object without white space must not.
			if merges && json.Valid([]byte(stored)) {
				t.Errorf("%q, valid but no object without white space, was merged to %q", stored, got)
			}
			return
		}
		if !merges {
			t.Fatalf("%q was refused", stored)
		}
		if want := merged(before, d); got != want {
			t.Fatalf("%q into %q: %q, want %q", fmt.Sprint(d), stored, got, want)
		}
		if _, ok := storetest.ParseObject(got); got != "" && !ok {
			t.Errorf("%q is no object without white space", got)
		}
	})
}

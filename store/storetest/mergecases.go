package storetest

import (
	"bytes"
	"encoding/json"

	"rest-sessions/store"
)

// MergeCase is a change to data, and what comes of it.
type MergeCase struct{ Stored, Change, Want string }

// MergeCases are what each implementation of a merge is held against.
var MergeCases = []MergeCase{
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
	// Values are replaced whole, and keys inside of them are none of the object's.
	{`{"a":{"b":1,"c":2}}`, `{"a":{"c":3}}`, `{"a":{"c":3}}`},
	{`{"a":{"b":1},"b":2}`, `{"b":null}`, `{"a":{"b":1}}`},
	{`{"b":2,"a":{"b":1}}`, `{"b":[]}`, `{"b":[],"a":{"b":1}}`},
	{`{"a":[{"b":[1,{"c":[]}]},{}],"c":{}}`, `{"c":0,"b":1}`, `{"a":[{"b":[1,{"c":[]}]},{}],"c":0,"b":1}`},
	{`{"a":[],"b":{}}`, `{"a":null}`, `{"b":{}}`},
	{`{"a":1}`, `{"a":{"a":null}}`, `{"a":{"a":null}}`},
	{`{"a":["]","}","\\","\"]"],"b":{"}":"{"}}`, `{"c":["[{"]}`, `{"a":["]","}","\\","\"]"],"b":{"}":"{"},"c":["[{"]}`},
	{`{"a":[[1],[2]],"a":{},"b":3}`, `{"a":[4]}`, `{"a":[4],"b":3}`},
	{``, `{"a":[null],"b":null}`, `{"a":[null]}`},
	{`{"a":` + deep + `,"b":1}`, `{"b":` + deep + `}`, `{"a":` + deep + `,"b":` + deep + `}`},
	{`{"a":[1, 2]}`, `{"b":1}`, `{"a":[1, 2],"b":1}`}, // inside of values nothing is looked at
}

// deep is a value as deep as any may be.
const deep = `[[[[[[[[[[[[[[[[{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}}}}}}}}}]]]]]]]]]]]]]]]]`

// Unmergeable are texts that are no JSON object without white space.
var Unmergeable = []string{
	` `, `null`, `0`, `""`, `"a"`, `[]`, `[1]`, `{`, `}`, `{}}`, `{}{}`, ` {}`, `{} `, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`,
	`{,"a":1}`, `{"a":1}}`, `{"a":1}x`, `{"a":1 }`, `{"a": 1}`, `{"a" :1}`, `{ "a":1}`, `{"a":1,"b"}`, `{"a":1"b":2}`,
	`{"a":1 ,"b":2}`, `{"a":1, "b":2}`, `{a:1}`, `{'a':1}`, `{"a:1}`, `{"a":"1}`, `{"a":"\"}`, `{"a":"\`,
	`{"a":"x"y}`, `{"a":"x";"b":1}`, `{"a":1"x"}`, `{1:2}`, `{"a"::1}`, `{"a":1,,"b":2}`,
	`{"a":[}`, `{"a":[1}`, `{"a":{"b":1}`, `{"a":[1]]}`, `{"a":["}`, `{"a":["]}`, `{"a":[1]"b":2}`, `{"a":[1] }`, `{"a": [1]}`, `{"a":{}1}`, `{"a":]}`, `{"a":[]`, `{"a":[`,
}

// ParseObject reads the fields of a JSON object that has no white space between them,
// keys and values in their own text, with encoding/json.
func ParseObject(text string) (store.Data, bool) {
	if !json.Valid([]byte(text)) || text[0] != '{' {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.Token()
	var d store.Data
	for decoder.More() {
		start := decoder.InputOffset()
		if text[start] == ',' {
			start++
		}
		decoder.Token()
		key := text[start:decoder.InputOffset()]
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, false
		}
		d = append(d, store.Field{Key: key, Value: string(value)})
	}
	return d, d.Text() == text
}

// ParseChange is ParseObject for a change: of fields with the same key it keeps the
// last, in the first's place.
func ParseChange(text string) (store.Data, bool) {
	d, ok := ParseObject(text)
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
	return kept, ok
}

package handlers

import (
	"strings"
	"testing"
)

func TestBodies(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("app", "id", "ip=::1", "")
	put, post := "/app/create/id?ip=::1", "/app/set/"+token
	const jsonType = "Content-Type: application/json"
	object := "d must be an object"
	for _, c := range []struct {
		body, header string
		status       int
		name         string
		message      string
	}{
		{"{bad", jsonType, 400, "invalidJSON", ""},
		{"{}x", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":01}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":NaN}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":1,}", jsonType, 400, "invalidJSON", ""},
		{"{'a':1}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":\"\n\"}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":\"\xff\"}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\xff\":1}", jsonType, 400, "invalidJSON", ""},
		{"{\"a\":1}\x00", jsonType, 400, "invalidJSON", ""},
		{"\xef\xbb\xbf\xef\xbb\xbf{}", jsonType, 400, "invalidJSON", ""},
		{"\xef\xbb\xbf", jsonType, 400, "invalidJSON", ""},
		{"  ", jsonType, 400, "invalidJSON", ""},
		{`{"a":"\ud83d"}`, jsonType, 400, "invalidJSON", ""},
		{`{"\ud83d\u0041":1}`, jsonType, 400, "invalidJSON", ""},
		{"null", jsonType, 400, "invalidValue", object},
		{"[1]", jsonType, 400, "invalidValue", object},
		{"\"str\"", jsonType, 400, "invalidValue", object},
		{"12", jsonType, 400, "invalidValue", object},
		{`{"ok":[],"\u0062\"":` + nested(33) + `,"c":{}}`, jsonType, 400, "invalidValue", `d.b" is nested more than 32 deep`},
		{`{"a":[{"b":` + nested(31) + `}]}`, jsonType, 400, "invalidValue", "d.a is nested more than 32 deep"},
		{`{"a":` + nested(20_000) + `}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":[1,]}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":[1}}`, jsonType, 400, "invalidJSON", ""},
		{`{"a":{"b"}}`, jsonType, 400, "invalidJSON", ""},
		{strings.Repeat("[", 50_000), jsonType, 400, "invalidJSON", ""},
		{`{"a":1}`, "Content-Type: text/plain", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/x-www-form-urlencoded", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/jsonp", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "Content-Type: application/json; charset=utf-16", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, "X-None: 1", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: br", 415, "unsupportedMediaType", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: gzip", 400, "invalidJSON", ""},
		{`{"a":1}`, jsonType + "\r\nContent-Encoding: deflate", 400, "invalidJSON", ""},
		{squeezed(t, "gzip", `{"a":1}`)[:25], jsonType + "\r\nContent-Encoding: gzip", 400, "invalidJSON", ""},
		{squeezed(t, "gzip", `{"a":"`+strings.Repeat("x", 1<<24)+`"}`), jsonType + "\r\nContent-Encoding: gzip", 413, "bodyTooLarge", ""},
		{`{"a":"` + strings.Repeat("x", maxBodySize-7) + `"}`, jsonType, 413, "bodyTooLarge", ""},
	} {
		w.expectError(w.do("PUT", put, c.body, c.header), c.status, c.name, c.message)
		w.expectError(w.do("POST", post, c.body, c.header), c.status, c.name, c.message)
		if t.Failed() {
			t.Fatalf("by %.80q, %s", c.body, c.header)
		}
	}
	for _, body := range []string{"", "{}", " {\t}\r\n"} {
		w.expectError(w.do("POST", post, body), 400, "invalidValue", "d must contain at least one key.")
	}
	// Whatever was refused has left no trace.
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}`)
	w.expect(w.do("GET", "/app/activity?dt=10", ""), 200, `{"activity":1}`)

	for body, want := range map[string]string{
		"": "", "{}": "", `{"a":null}`: "",
		` { "a" : 1.0 , "b" : "x" } `:                                      `,"d":{"a":1.0,"b":"x"}`,
		`{"n":12345678901234567890,"e":1E+3,"m":-0}`:                       `,"d":{"n":12345678901234567890,"e":1E+3,"m":-0}`,
		`{"a":1,"b":2,"\u0061":3}`:                                         `,"d":{"a":3,"b":2}`,
		`{"a":{},"a":3}`:                                                   `,"d":{"a":3}`,
		`{"a":{},"b":[],"c":[{"d":null}]}`:                                 `,"d":{"a":{},"b":[],"c":[{"d":null}]}`,
		"{\"a\" :\n[ 1 ,\t{ \"b c\" : \" ] } \" , \"\\\" \":\r\n[ ] } ] }": `,"d":{"a":[1,{"b c":" ] } ","\" ":[]}]}`,
		`{"a":[1.0,1E+3,"\/",{"z":1,"a":2,"z":3}]}`:                        `,"d":{"a":[1.0,1E+3,"\/",{"z":1,"a":2,"z":3}]}`,
		`{"a":` + nested(32) + `}`:                                         `,"d":{"a":` + nested(32) + `}`,
		`{"a":[{"b":` + nested(30) + `}, ` + nested(31) + `]}`:             `,"d":{"a":[{"b":` + nested(30) + `},` + nested(31) + `]}`,
		`{"a":1,"b":2,"a":null}`:                                           `,"d":{"b":2}`,
		`{"\/\u00e9\ud83d\uDE00\u001F":"\u00e9\/\ud83d\ude00"}`:            `,"d":{"/é😀\u001f":"\u00e9\/\ud83d\ude00"}`,
		`{"":""}`: `,"d":{"":""}`,
		`{"a":"` + strings.Repeat("x", maxBodySize-8) + `"}`: `,"d":{"a":"` + strings.Repeat("x", maxBodySize-8) + `"}`,
	} {
		token := w.create("app", "id", "ip=::1", body)
		w.expect(w.do("GET", "/app/get/"+token, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"`+want+`}`)
	}
	for _, header := range []string{
		"Content-Type: application/json;charset=UTF-8", "content-type: Application/JSON; charset=\"utf-8\"",
	} {
		w.do("PUT", put, `{"a":1}`, header)
		if a := w.do("PUT", put, `{"a":1}`, header); a.status != 200 {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
}

// nested is an array in an array, so deep.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

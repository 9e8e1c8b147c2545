package handlers

import (
	"bytes"
	"fmt"
	"mime"
	"strings"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/jsontext"
	"rest-sessions/internal/rawio"
	"rest-sessions/store"
)

// requestData returns the data in the body, none if the body is empty. A byte order mark
// before it is passed over, as the original does; with orArray, [] is an empty object.
func requestData(ctx *fasthttp.RequestCtx, orArray bool) (store.Data, error) {
	body, err := decodedBody(ctx)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if !isJSON(string(ctx.Request.Header.ContentType())) {
		return nil, errMediaType
	}
	if len(body) > largeBody {
		rawio.MayTakeLong()
	}
	text := bytes.TrimPrefix(body, byteOrderMark)
	if orArray && isEmptyArray(text) {
		return nil, nil
	}
	if err := checkJSON(text, len(body)-len(text)); err != nil {
		return nil, err
	}
	return parseData(text)
}

// largeBody is how many bytes are read in a few microseconds.
const largeBody = 4096

var byteOrderMark = []byte("\xef\xbb\xbf")

// isEmptyArray reports whether body is [], which PHP's json_encode makes of an array
// without elements, whatever it was to be.
func isEmptyArray(body []byte) bool {
	inner, begins := bytes.CutPrefix(bytes.Trim(body, jsonSpace), []byte("["))
	return begins && string(bytes.TrimLeft(inner, jsonSpace)) == "]"
}

// isJSON reports whether a Content-Type says JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	return err == nil && mediaType == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// maxDepth is how many arrays and objects of a value may hold each other.
const maxDepth = 32

// parseData reads a JSON object that has passed checkJSON: keys in JSON.stringify's
// spelling, values as they were sent but for white space between tokens; of a key that
// is there twice the last value, in the first place. Nothing of the result aliases body.
func parseData(body []byte) (store.Data, error) {
	text := string(bytes.Trim(body, jsonSpace))
	if text[0] != '{' {
		return nil, invalidValue("d must be an object")
	}
	var d store.Data
	place := places{}
	// text is valid JSON: only where its parts end is left to find out.
	for pos := skipSpace(text, 1); text[pos] == '"'; {
		end := jsontext.StringEnd(text, pos)
		key := canonicalKey(text[pos:end])
		value, end, depth := valueAt(text, skipSpace(text, skipSpace(text, end)+1)) // over the colon
		if depth > maxDepth {
			return nil, invalidValue(fmt.Sprintf("d.%s is nested more than %d deep", decodeKey(key), maxDepth))
		}
		if i, twice := place.of(d, key); twice {
			d[i].Value = value
		} else {
			d = append(d, store.Field{Key: key, Value: value})
		}
		if pos = skipSpace(text, end); text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	return d, nil
}

// places finds keys in a Data: by looking at each while they are few, by a map
// from then on.
type places map[string]int

func (p *places) of(d store.Data, key string) (int, bool) {
	const few = 16
	if len(d) <= few {
		for i := range d {
			if d[i].Key == key {
				return i, true
			}
		}
		return 0, false
	}
	for i := len(*p); i < len(d); i++ {
		(*p)[d[i].Key] = i
	}
	i, ok := (*p)[key]
	return i, ok
}

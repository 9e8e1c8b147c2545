package handlers

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// details says which details of a session an answer has, beside what the original
// answers.
type details uint8

const (
	withHandle details = 1 << iota
	withCreated
	withExpires
)

// queryWith returns the with parameter, a list with commas.
func queryWith(ctx *fasthttp.RequestCtx) (with details, err error) {
	list, _, err := queryValue(ctx, "with")
	if err != nil || list == "" {
		return 0, err
	}
	for name := range strings.SplitSeq(list, ",") {
		switch name {
		case "handle":
			with |= withHandle
		case "created":
			with |= withCreated
		case "expires":
			with |= withExpires
		default:
			return 0, invalidValue("with must be a comma-separated list of handle, created and expires")
		}
	}
	return with, nil
}

// appendDetails appends the members that with asks for, each after a comma. A time of
// creation that nobody knows is left out.
func appendDetails(dst []byte, with details, d *store.Details) []byte {
	if with&withHandle != 0 {
		dst = append(dst, `,"handle":"`...)
		dst = append(store.AppendHandle(dst, d.First), '"')
	}
	if with&withCreated != 0 && d.Created != 0 {
		dst = append(dst, `,"created":`...)
		dst = strconv.AppendInt(dst, d.Created, 10)
	}
	if with&withExpires != 0 {
		dst = append(dst, `,"expires":`...)
		dst = strconv.AppendInt(dst, d.Expires, 10)
	}
	return dst
}

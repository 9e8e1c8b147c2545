package handlers

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"

	"github.com/valyala/fasthttp"
)

// decodedBody returns the body without its Content-Encoding, which is what the original
// takes: identity, gzip or deflate. What a body inflates to has the limit of one that is
// sent plainly, so the work is bounded.
func decodedBody(ctx *fasthttp.RequestCtx) ([]byte, error) {
	body := ctx.Request.Body()
	encoding := ctx.Request.Header.ContentEncoding()
	if len(encoding) == 0 || len(body) == 0 {
		return body, nil
	}
	var r io.Reader
	var err error
	switch strings.ToLower(string(encoding)) {
	case "identity":
		return body, nil
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, errMediaType
	}
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(r, maxBodySize+1))
	}
	switch {
	case err != nil:
		return nil, errEncoding
	case len(body) > maxBodySize:
		return nil, errBodySize
	}
	return body, nil
}

package handlers

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

// openAPIDocument describes all routes in OpenAPI 3.1. Tests hold it to the router and
// to what the server answers.
//
//go:embed openapi.json
var openAPIDocument string

// openAPI answers /openapi.json.
func (a *API) openAPI(ctx *fasthttp.RequestCtx) error {
	writeText(ctx, contentTypeJSON, openAPIDocument)
	return nil
}

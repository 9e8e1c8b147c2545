package handlers

import "github.com/valyala/fasthttp"

// root answers /: what this server is, for people who open its address in a browser.
func (a *API) root(ctx *fasthttp.RequestCtx) error {
	text := "rest-sessions " + a.metrics.Version + ` keeps user sessions for the programs of a site.
The manual is README.md and docs/ in its repository; docs/api.md lists the routes, /openapi.json describes them.
`
	if !a.consoleOff {
		text += "/console shows this server and its sessions.\n"
	}
	writeText(ctx, contentTypeText, text)
	return nil
}

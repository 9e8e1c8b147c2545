package handlers

import (
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/console"
)

const (
	routeConsole       = "/console"
	routeConsoleFile   = "/console/{file}"
	routeConsoleAccess = "/console/access.json"
)

// handleConsole adds the console's routes: the page, each of its files under a path of its
// own, and what a key may do. An app may be named console: names of files have a dot, verbs
// have none.
func (a *API) handleConsole(r *router.Router, known *routes) {
	if a.consoleOff {
		return
	}
	for _, method := range []string{"GET", "HEAD"} {
		*known = append(*known, route{method, routeConsole}, route{method, routeConsoleFile})
		for _, file := range console.Files() {
			path, name := routeConsole+"/"+file.Name, routeConsoleFile
			if file.Name == console.PageName {
				path, name = routeConsole, routeConsole
			}
			r.Handle(method, path, a.answer(name, accessOpen, consoleFile(file)))
		}
	}
	*known = append(*known, route{"GET", routeConsoleAccess})
	r.Handle("GET", routeConsoleAccess, a.answer(routeConsoleAccess, accessOpen, a.consoleAccess))
}

// consoleFile answers with the page or one of its files. Browsers may keep it, and ask
// each time whether it is still the same: servers behind one address may be of two versions.
func consoleFile(file console.File) endpoint {
	return func(ctx *fasthttp.RequestCtx) error {
		h := &ctx.Response.Header
		if file.Name == console.PageName {
			if slash, _ := ctx.UserValue(matchedAgain).(bool); slash {
				// The page's links are relative, so that a proxy may have it under a path.
				setHeaders(ctx, contentTypeText)
				h.Set(fasthttp.HeaderLocation, ".."+routeConsole)
				ctx.SetStatusCode(fasthttp.StatusPermanentRedirect)
				return nil
			}
			h.Set(fasthttp.HeaderContentSecurityPolicy, console.Policy)
			h.Set(fasthttp.HeaderXFrameOptions, "DENY")
			h.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
		}
		h.SetContentType(file.ContentType)
		h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set(fasthttp.HeaderCacheControl, "no-cache")
		h.Set(fasthttp.HeaderETag, file.ETag)
		if strings.Contains(string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)), file.ETag) {
			ctx.SetStatusCode(fasthttp.StatusNotModified)
			return nil
		}
		ctx.Response.SetBodyString(file.Body)
		return nil
	}
}

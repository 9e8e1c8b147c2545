package handlers

import (
	"bytes"
	"unsafe"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// hot answers well-formed requests of GET /{app}/get/{token}, nine in ten of all, and of
// /{app}/auth, before the router: that hands out copies of path segments, 6 allocations
// and 200 ns where this takes none and 30 ns. Whatever is not of the plain form, an
// escape or an error, goes the router's way, to the endpoints get and auth.
func (a *API) hot(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	auth := a.hotAuth(next)
	counts := a.metrics.Route(routeGet, true)
	return func(ctx *fasthttp.RequestCtx) {
		app, token, ok := splitGet(ctx.Request.Header.RequestURI())
		if !ok || !ctx.IsGet() {
			auth(ctx)
			return
		}
		entered, err := a.enter(ctx, accessGet, app)
		counts.Start()
		defer a.end(ctx, counts, entered)
		how := getOptions{}
		if err == nil && len(ctx.Request.Header.RequestURI()) > len("//get/")+len(app)+len(token) {
			if err = knownParameters(ctx, parameters[routeGet]); err == nil {
				how, err = queryGet(ctx)
			}
		}
		if err == nil && token == tokenInHead {
			token, err = a.headTokens.of(ctx)
		}
		if err == nil {
			err = a.answerGet(ctx, app, token, how)
		}
		if err != nil {
			a.fail(ctx, err)
		}
	}
}

// hotAuth is hot for /{app}/auth.
func (a *API) hotAuth(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	counts := a.metrics.Route(routeAuth, true)
	return func(ctx *fasthttp.RequestCtx) {
		app, under, ok := splitAuth(ctx.Request.Header.RequestURI())
		if !ok {
			next(ctx)
			return
		}
		entered, err := a.enter(ctx, accessAuth, app)
		counts.Start()
		defer a.end(ctx, counts, entered)
		if err == nil {
			err = a.answerAuth(ctx, app, under)
		}
		if err != nil {
			a.fail(ctx, err)
		}
	}
}

// splitAuth splits the request target /{app}/auth, with or without more path and a query.
// The string aliases uri.
func splitAuth(uri []byte) (app string, under, ok bool) {
	const verb = "/auth"
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		uri = uri[:i]
	}
	if len(uri) <= len(verb) || uri[0] != '/' {
		return "", false, false
	}
	end := 1 + bytes.IndexByte(uri[1:], '/') // of the app
	if end < 2 || !bytes.HasPrefix(uri[end:], []byte(verb)) {
		return "", false, false
	}
	rest := uri[end+len(verb):]
	if len(rest) > 0 && rest[0] != '/' {
		return "", false, false
	}
	app = unsafe.String(&uri[1], end-1)
	return app, len(rest) > 0, store.ValidApp(app)
}

// splitGet splits the request target /{app}/get/{token}, with or without a query; the
// token may be -.
// The strings alias uri: they are valid while the request is.
func splitGet(uri []byte) (app, token string, ok bool) {
	const route = "/get/"
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		uri = uri[:i]
	}
	tokenLen := store.TokenLen
	if bytes.HasSuffix(uri, inHeadSuffix) {
		tokenLen = len(tokenInHead)
	}
	appEnd := len(uri) - tokenLen - len(route)
	if appEnd < 1 || uri[0] != '/' || string(uri[appEnd:appEnd+len(route)]) != route {
		return "", "", false
	}
	path := unsafe.String(&uri[0], len(uri))
	app, token = path[1:appEnd], path[appEnd+len(route):]
	return app, token, store.ValidApp(app) && validTokenSegment(token)
}

var inHeadSuffix = []byte("/" + tokenInHead)

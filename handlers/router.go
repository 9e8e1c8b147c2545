// Package handlers is the HTTP side: it turns requests into calls of a
// store.Store and its answers into JSON.
package handlers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/admission"
	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/handlers/sources"
	"rest-sessions/internal/pseudonym"
	"rest-sessions/internal/rawio"
	"rest-sessions/store"
)

// API serves the routes on a store.
type API struct {
	store      store.Store
	logf       func(format string, args ...any)
	metrics    *metrics.Metrics
	draining   atomic.Bool
	keys       atomic.Pointer[keyring] // nil for none
	sources    *sources.Table
	admission  *admission.Controller
	lists      listLimit
	hijacked   sync.Map // net.Conn to the *list that waits for fasthttp to hand it over
	headTokens headTokens
	consoleOff bool
	routes     routes // those of Handler
	// maxConnections is the constant of that name unless a test sets it.
	maxConnections int32
	// connections counts those that are open; nil: the HTTP server does.
	connections func() int32
	// writeTimeout is the constant of that name unless a test sets it.
	writeTimeout time.Duration
	// ctx is what store calls run under: the server's life. Deadlines are the
	// engine's own, one a round trip.
	ctx context.Context
}

// Options say how an API serves. What is zero has its default.
type Options struct {
	Metrics     *metrics.Metrics                 // default: its own
	Logf        func(format string, args ...any) // gets a line for each fault of ours; nil: nobody does
	MaxInFlight int                              // requests in flight to the store; default admission.DefaultMax
	MaxLists    int                              // lists in flight; default DefaultMaxLists
	MissWarn    int                              // misses of an address in a minute that make a line; default sources.DefaultMissWarn, negative for none
	Cookie      string                           // that may hold a session's token; default DefaultCookie
	NoConsole   bool                             // the console's routes are left out
	Pseudonyms  *pseudonym.Maker                 // for addresses in the log; nil: they are shown
	Connections func() int32                     // how many are open; nil: the HTTP server counts
}

// New makes an API on a store.
func New(s store.Store, o Options) *API {
	a := &API{
		store: s, logf: o.Logf, metrics: o.Metrics,
		admission:      admission.New(cmp.Or(o.MaxInFlight, admission.DefaultMax)),
		headTokens:     newHeadTokens(cmp.Or(o.Cookie, DefaultCookie)),
		consoleOff:     o.NoConsole,
		connections:    o.Connections,
		maxConnections: listener.MaxConnections(),
		writeTimeout:   writeTimeout,
		ctx:            context.Background(),
	}
	if a.metrics == nil {
		a.metrics = NewMetrics("")
	}
	if a.logf == nil {
		a.logf = func(string, ...any) {}
	}
	a.lists.max = int32(cmp.Or(o.MaxLists, DefaultMaxLists))
	a.sources = sources.New(sources.Options{MissWarn: o.MissWarn, Logf: a.logf, Pseudonyms: o.Pseudonyms})
	a.metrics.Watch(a.metricSources())
	return a
}

// The routes that hot takes.
const (
	routeGet    = "/{app}/get/{token}" // nine requests in ten
	routeCreate = "/{app}/create/{id}"
	routeSet    = "/{app}/set/{token}"
	routeKill   = "/{app}/kill/{token}"
)

var (
	accessGet = allow(admission.Short, apikey.ReadOnly|apikey.Web)
	accessWeb = allow(admission.Short, apikey.Web)
)

// matchedAgain marks a request whose target is as expressTarget made it, with whether it
// had a slash at its end.
const matchedAgain = "matched again"

// endpoint answers a request, or returns the error to answer with.
type endpoint func(*fasthttp.RequestCtx) error

// Handler returns the handler of all routes.
func (a *API) Handler() fasthttp.RequestHandler {
	r := router.New()
	// These would redirect where the original answers at once or says 404.
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleOPTIONS = false
	r.HandleMethodNotAllowed = true
	var known routes
	notFound := a.answer("none", accessAny, func(ctx *fasthttp.RequestCtx) error { return known.notFound(ctx) })
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		target, ok := expressTarget(ctx.Request.Header.RequestURI())
		if !ok || ctx.UserValue(matchedAgain) != nil {
			notFound(ctx)
			return
		}
		ctx.SetUserValue(matchedAgain, bytes.HasSuffix(ctx.URI().PathOriginal(), []byte("/")))
		ctx.Request.SetRequestURIBytes(target)
		r.Handler(ctx)
	}
	r.MethodNotAllowed = a.answer("none", accessAny, methodNotAllowed)

	handle := func(method, path string, need access, e endpoint) {
		known = append(known, route{method, path})
		r.Handle(method, path, a.answer(path, need, e))
	}
	// Each route names the roles of keys that may use it; the role Full may all.
	handle("PUT", routeCreate, accessWeb, a.create)
	handle("GET", routeGet, accessGet, a.get)
	handle("POST", routeSet, accessWeb, a.set)
	handle("POST", "/{app}/touch/{token}", accessWeb, a.touch)
	handle("POST", "/{app}/rotate/{token}", accessWeb, a.rotate)
	handle("GET", "/{app}/activity", accessActivity, a.activity)
	handle("GET", "/{app}/soapp", accessSoapp, a.soapp)
	handle("GET", "/{app}/soid/{id}", accessSoid, a.soid)
	handle("DELETE", routeKill, accessWeb, a.kill)
	handle("DELETE", "/{app}/killsoid/{id}", accessKillsoid, a.killsoid)
	handle("DELETE", "/{app}/killall", allow(admission.Long, 0), a.killall)
	handle(router.MethodWild, routeAuth, accessAuth, a.auth)
	r.ANY(routeAuthUnder, a.answer(routeAuth, accessAuth, a.auth))
	for _, method := range []string{"GET", "HEAD"} {
		handle(method, "/", accessOpen, a.root)
		handle(method, "/openapi.json", accessOpen, a.openAPI)
		handle(method, "/ping", accessOpen, a.ping)
		handle(method, "/livez", accessOpen, a.livez)
		handle(method, "/readyz", accessOpen, a.readyz)
		handle(method, "/healthz", accessOpen, a.readyz)
	}
	handle("GET", "/metrics", accessMetrics, a.metricsText)
	a.handleConsole(r, &known)
	a.routes = known
	return a.recovered(a.hot(r.Handler))
}

// answer makes a handler of an endpoint, counted as route, for those who have the
// access that it needs.
func (a *API) answer(route string, need access, e endpoint) fasthttp.RequestHandler {
	r := a.served(route, need)
	return func(ctx *fasthttp.RequestCtx) {
		rawio.MayTakeLong()
		app, _ := pathApp(ctx) // one that is malformed is nobody's, and the endpoint's 400
		r.answer(ctx, app, func() error { return e(ctx) })
	}
}

// served is a route with what is the same for all its requests.
type served struct {
	api    *API
	need   access
	counts metrics.Route
	// known are the parameters of the route; strict if another one is an error.
	known  []string
	strict bool
}

func (a *API) served(route string, need access) served {
	known, strict := parameters[route]
	return served{
		api: a, need: need, counts: a.metrics.Route(route, need.from == scopeApp), known: known,
		strict: strict && route != routeAuth, // whose query may be another's, see authKeys
	}
}

// answer answers a request for app by answered, or with the error that it returns. It is
// the way of every request: access, admission, parameters, answer, counts.
func (r *served) answer(ctx *fasthttp.RequestCtx, app string, answered func() error) {
	entered, err := r.api.enter(ctx, r.need, app)
	r.counts.Start()
	defer r.api.end(ctx, r.counts, entered)
	if err == nil && r.strict {
		err = knownParameters(ctx, r.known)
	}
	if err == nil {
		err = answered()
	}
	if err != nil {
		r.api.fail(ctx, err)
	}
}

// fail answers with err and logs it if it is a fault of ours. What makes the
// store unavailable is logged by the engine, once.
func (a *API) fail(ctx *fasthttp.RequestCtx, err error) {
	e := statusOf(err)
	if e == errInternal {
		a.logf("error: %s failed: %s", methodName(ctx), faultText(err))
	}
	a.metrics.Failed(e.name)
	writeError(ctx, e)
}

// faultText is what the log says of an error. Of a number that is none, it does not quote
// what stands in its place: that may be of a token or an id.
func faultText(err error) string {
	text := err.Error()
	if n, ok := errors.AsType[*strconv.NumError](err); ok {
		text = strings.ReplaceAll(text, strconv.Quote(n.Num), "what is there")
	}
	return text
}

// enter checks the access of a request and, where the store is asked, that not too many
// others are in flight. It returns the queue that the request is counted in, for end.
func (a *API) enter(ctx *fasthttp.RequestCtx, need access, app string) (admission.Queue, error) {
	key, err := a.authorize(ctx, need, app)
	a.keys.Load().count(key)
	if err != nil {
		return admission.None, err
	}
	if !a.admission.Enter(need.queue, ctx.Time()) {
		if need.queue == admission.Long {
			a.metrics.Shed(metrics.ShedRemovals)
		} else {
			a.metrics.Shed(metrics.ShedRequests)
		}
		return admission.None, errOverloaded
	}
	return need.queue, nil
}

// recovered answers 500 to a request that panics before end is deferred.
func (a *API) recovered(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				a.fail(ctx, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		next(ctx)
	}
}

// end is deferred by whoever answers: it counts the answer, and makes one of a
// panic, a 500, which fasthttp would let end the process.
func (a *API) end(ctx *fasthttp.RequestCtx, counts metrics.Route, entered admission.Queue) {
	if p := recover(); p != nil {
		a.fail(ctx, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
	if e := noted(ctx); e != nil {
		e.route = counts.Name
	}
	now := time.Now()
	took := now.Sub(ctx.Time()) // since the handler was called
	counts.End(ctx.Response.StatusCode(), took)
	if ctx.Response.StatusCode() != fasthttp.StatusOK {
		took = 0 // the store was not asked, or did not answer
	}
	a.admission.Leave(entered, now, took)
}

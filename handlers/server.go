package handlers

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
)

// Limits of the server.
const (
	maxBodySize = 60_000  // bytes; the original's
	maxHeadSize = 8 << 10 // bytes of request line and headers

	// readTimeout bounds a request from its first byte to its last. It is
	// shorter than the time a shutdown waits, so a client that stalls cannot
	// hold that up.
	readTimeout = 5 * time.Second
	// idleTimeout is longer than the 60 s that proxies keep a connection, so
	// that they close it and not we, while they send.
	idleTimeout = 75 * time.Second
	// writeTimeout bounds the time in which a client takes an answer, of a list that
	// is streamed each chunk (see list.renew).
	writeTimeout = 60 * time.Second

	// maxConnections is how many connections are served. Those past it get a 503
	// in JSON and are closed, as long as there are not as many again.
	// There are fewer where the system has fewer descriptors, see listener.MaxConnections.
	maxConnections = listener.MostConnections
)

// Server makes a server within the limits. It serves handler: that of Handler, or
// one around it.
func (a *API) Server(handler fasthttp.RequestHandler) *fasthttp.Server {
	s := &fasthttp.Server{
		ErrorHandler:                 a.badRequest,
		Logger:                       logger(a.logf),
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		MaxRequestBodySize:           maxBodySize,
		ReadBufferSize:               maxHeadSize,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 a.writeTimeout,
		IdleTimeout:                  idleTimeout,
		Concurrency:                  2 * maxConnections,
		CloseOnShutdown:              true,
		DisablePreParseMultipartForm: true,
		// Errors would quote requests, and those hold tokens and keys. See logger.
		SecureErrorLogMessage: true,
	}
	s.ExpectHandler = a.expect
	s.ConnState = a.dropHijacked
	connections := s.GetOpenConnectionsCount
	if a.connections != nil {
		connections = a.connections
	}
	serve := func(ctx *fasthttp.RequestCtx) {
		if !validHead(&ctx.Request.Header) {
			a.fail(ctx, errBadRequest)
			ctx.SetConnectionClose()
			return
		}
		if connections() > a.maxConnections {
			a.metrics.Shed(metrics.ShedConnections)
			a.fail(ctx, errConnections)
			ctx.SetConnectionClose()
			return
		}
		handler(ctx)
	}
	s.Handler = func(ctx *fasthttp.RequestCtx) {
		serve(ctx)
		if a.draining.Load() {
			// Or a client that keeps its connection would send a request just as that is
			// closed. It is asked last, for requests that take longer than the grace.
			ctx.SetConnectionClose()
		}
	}
	return s
}

// expect decides on a request that sends its body only when it is asked to, by 100
// Continue: it is not for who would get an error for the head alone.
func (a *API) expect(ctx *fasthttp.RequestCtx) int {
	var err error
	switch {
	case !validHead(&ctx.Request.Header):
		err = errBadRequest
	case ctx.Request.Header.ContentLength() > maxBodySize:
		err = errBodySize
	case ctx.Request.Header.ContentLength() > 0 || ctx.Request.Header.ContentLength() == -1: // chunked
		_, err = a.authorize(ctx, accessAny, "")
	}
	if err == nil {
		return fasthttp.StatusContinue
	}
	listener.Linger(ctx.Conn()) // it may send the body all the same
	a.fail(ctx, err)
	return ctx.Response.StatusCode()
}

// badRequest answers what fasthttp could not read as a request.
func (a *API) badRequest(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		a.fail(ctx, errBodySize)
	case errors.As(err, &small):
		a.fail(ctx, errHeadSize)
	case errors.As(err, &network) && network.Timeout():
		a.fail(ctx, errTimeout)
		return
	default:
		a.fail(ctx, errBadRequest)
	}
	listener.Linger(ctx.Conn()) // the rest of the request is not read
}

// logger lets fasthttp log through logf, but for what it says of single connections.
// Those lines quote requests, SecureErrorLogMessage or not, and so tokens and keys; and
// any client could fill the log with them. What they tell of has been answered, and
// counted by the name of the error.
type logger func(format string, args ...any)

// Printf implements fasthttp.Logger.
func (l logger) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		l(format, args...)
	}
}

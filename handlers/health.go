package handlers

import "github.com/valyala/fasthttp"

// Drain makes /readyz and /healthz answer 503, so that load balancers send new
// work elsewhere. Everything else goes on.
func (a *API) Drain() { a.draining.Store(true) }

// ping answers /ping as the original does: it asks the store.
func (a *API) ping(ctx *fasthttp.RequestCtx) error {
	if err := a.store.Ping(a.ctx); err != nil {
		return err
	}
	writeText(ctx, contentTypeJSON, "PONG")
	return nil
}

// livez answers /livez: the process serves.
func (a *API) livez(ctx *fasthttp.RequestCtx) error {
	writeText(ctx, contentTypeText, "ok")
	return nil
}

// readyz answers /readyz and /healthz: the store can be used, and the server is
// not shutting down.
func (a *API) readyz(ctx *fasthttp.RequestCtx) error {
	if a.draining.Load() {
		return errDraining
	}
	if err := a.store.Ping(a.ctx); err != nil {
		return err
	}
	writeText(ctx, contentTypeText, "ok")
	return nil
}

package handlers

import "github.com/valyala/fasthttp"

// activity answers GET /{app}/activity?dt=.
func (a *API) activity(ctx *fasthttp.RequestCtx) error {
	app, dt, err := appAndDT(ctx)
	if err != nil {
		return err
	}
	n, err := a.store.Activity(a.ctx, app, dt)
	if err != nil {
		return err
	}
	writeCount(ctx, "activity", n)
	return nil
}

// soapp answers GET /{app}/soapp?dt=&limit=&cursor=&with=.
func (a *API) soapp(ctx *fasthttp.RequestCtx) error {
	app, dt, err := appAndDT(ctx)
	if err != nil {
		return err
	}
	how, err := queryList(ctx)
	if err != nil {
		return err
	}
	if how.limit > 0 {
		return a.writePage(ctx, a.store.PageOfApp(a.ctx, app, dt, how.limit, how.cursor), how.with)
	}
	return a.writeSessions(ctx, a.store.SessionsOfApp(a.ctx, app, dt), how.with)
}

// killall answers DELETE /{app}/killall.
func (a *API) killall(ctx *fasthttp.RequestCtx) error {
	app, err := pathApp(ctx)
	if err != nil {
		return err
	}
	n, err := a.store.KillApp(a.ctx, app)
	if err != nil {
		return err
	}
	writeCount(ctx, "kill", n)
	return nil
}

// appAndDT returns the app that the path names and the dt parameter in seconds.
func appAndDT(ctx *fasthttp.RequestCtx) (app string, dt int64, err error) {
	if app, err = pathApp(ctx); err == nil {
		dt, err = queryDT(ctx)
	}
	return app, dt, err
}

package handlers

import (
	"errors"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// noSession answers for a session that the store said is not there.
const noSession = "{}"

// create answers PUT /{app}/create/{id}?ip=&ttl=&no_resave=&max_age=&max_sessions=.
func (a *API) create(ctx *fasthttp.RequestCtx) error {
	app, err := pathApp(ctx)
	if err != nil {
		return err
	}
	var n store.New
	if n.ID, err = pathID(ctx); err != nil {
		return err
	}
	if n.IP, err = queryIP(ctx); err != nil {
		return err
	}
	if n.TTL, err = queryTTL(ctx); err != nil {
		return err
	}
	if n.NoResave, err = queryNoResave(ctx); err != nil {
		return err
	}
	if n.MaxAge, err = queryMaxAge(ctx); err != nil {
		return err
	}
	if n.MaxSessions, err = queryMaxSessions(ctx); err != nil {
		return err
	}
	if n.Data, err = requestData(ctx, true); err != nil {
		return err
	}
	token := store.NewToken(n.ID)
	if err := a.store.Create(a.ctx, app, token, n); err != nil {
		return err
	}
	writeToken(ctx, token)
	return nil
}

// get answers GET /{app}/get/{token}; see hot for most of them.
func (a *API) get(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	return a.answerGet(ctx, app, token)
}

func (a *API) answerGet(ctx *fasthttp.RequestCtx, app, token string) error {
	s, err := a.store.Get(a.ctx, app, token)
	return a.answerSession(ctx, &s, err)
}

// set answers POST /{app}/set/{token}.
func (a *API) set(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	d, err := requestData(ctx, false)
	if err != nil {
		return err
	}
	if len(d) == 0 {
		return invalidValue("d must contain at least one key.")
	}
	s, err := a.store.Set(a.ctx, app, token, d)
	return a.answerSession(ctx, &s, err)
}

// kill answers DELETE /{app}/kill/{token}.
func (a *API) kill(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	killed, err := a.store.Kill(a.ctx, app, token)
	if err != nil {
		return err
	}
	n := int64(0)
	if killed {
		n = 1
	} else {
		a.missed(ctx)
	}
	writeCount(ctx, "kill", n)
	return nil
}

// rotate answers POST /{app}/rotate/{token}?grace=.
func (a *API) rotate(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	grace, err := queryGrace(ctx)
	if err != nil {
		return err
	}
	token, err = a.store.Rotate(a.ctx, app, token, store.NewTokenLike(token), grace)
	switch {
	case err == nil:
		writeToken(ctx, token)
	case errors.Is(err, store.ErrNotFound):
		a.missed(ctx)
		writeText(ctx, contentTypeJSON, noSession)
	default:
		return err
	}
	return nil
}

// soid answers GET /{app}/soid/{id}?limit=&cursor=.
func (a *API) soid(ctx *fasthttp.RequestCtx) error {
	app, id, err := pathUser(ctx)
	if err != nil {
		return err
	}
	limit, cursor, err := queryPart(ctx)
	if err != nil {
		return err
	}
	if limit > 0 {
		return a.writePart(ctx, a.store.PartOfID(a.ctx, app, id, limit, cursor))
	}
	return a.writeSessions(ctx, a.store.SessionsOfID(a.ctx, app, id))
}

// killsoid answers DELETE /{app}/killsoid/{id}?except=.
func (a *API) killsoid(ctx *fasthttp.RequestCtx) error {
	app, id, err := pathUser(ctx)
	if err != nil {
		return err
	}
	except, err := a.queryExcept(ctx)
	if err != nil {
		return err
	}
	n, err := a.store.KillID(a.ctx, app, id, except)
	if err != nil {
		return err
	}
	writeCount(ctx, "kill", n)
	return nil
}

// pathSession returns the app that the path names, and the token that it names or that
// is in the head. The token may alias the request.
func (a *API) pathSession(ctx *fasthttp.RequestCtx) (app, token string, err error) {
	if app, err = pathApp(ctx); err == nil {
		token, err = a.pathToken(ctx)
	}
	return app, token, err
}

// pathUser returns the app and the id that the path names.
func pathUser(ctx *fasthttp.RequestCtx) (app, id string, err error) {
	if app, err = pathApp(ctx); err == nil {
		id, err = pathID(ctx)
	}
	return app, id, err
}

// answerSession answers with s, or {} if the store said that there is none.
func (a *API) answerSession(ctx *fasthttp.RequestCtx, s *store.Session, err error) error {
	switch {
	case err == nil:
		a.metrics.served()
		writeSession(ctx, s)
	case errors.Is(err, store.ErrNotFound):
		a.missed(ctx)
		writeText(ctx, contentTypeJSON, noSession)
	default:
		return err
	}
	return nil
}

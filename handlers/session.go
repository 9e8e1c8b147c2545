package handlers

import (
	"errors"
	"math"
	"strings"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/sources"
	"rest-sessions/store"
)

// noSession answers for a session that the store said is not there.
const noSession = "{}"

// create answers PUT /{app}/create/{id}?ip=&ttl=&no_resave=&max_age=&max_sessions=
// &with=; hot finds most of them without the router, as of kill and set.
func (a *API) create(ctx *fasthttp.RequestCtx) error {
	app, id, err := pathUser(ctx)
	if err != nil {
		return err
	}
	return a.createSession(ctx, app, id)
}

// createSession starts a session of the user id.
func (a *API) createSession(ctx *fasthttp.RequestCtx, app, id string) (err error) {
	n := store.New{ID: id}
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
	with, err := queryWith(ctx)
	if err != nil {
		return err
	}
	if n.Data, err = requestData(ctx, true); err != nil {
		return err
	}
	token := store.NewToken(n.ID)
	d, err := a.store.Create(a.ctx, app, token, n)
	if err != nil {
		return err
	}
	writeToken(ctx, token, with, &d)
	return nil
}

// getOptions are the parameters of a get.
type getOptions struct {
	with    details
	noTouch bool
}

func queryGet(ctx *fasthttp.RequestCtx) (how getOptions, err error) {
	if how.with, err = queryWith(ctx); err != nil {
		return how, err
	}
	touch, err := queryBool(ctx, "touch", true)
	how.noTouch = !touch
	return how, err
}

// get answers GET /{app}/get/{token}?touch=&with=; hot finds most of them without the router.
func (a *API) get(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	return a.getSession(ctx, app, token)
}

// getSession answers with a session, for the token - with that of the one in the head.
func (a *API) getSession(ctx *fasthttp.RequestCtx, app, token string) error {
	how, err := queryGet(ctx)
	if err != nil {
		return err
	}
	if token == tokenInHead {
		if token, err = a.headTokens.of(ctx); err != nil {
			return err
		}
	}
	var s store.Session
	switch {
	case how.noTouch:
		s, err = a.store.Peek(a.ctx, app, token)
	case how.with != 0:
		s, err = a.store.GetWith(a.ctx, app, token)
	default:
		s, err = a.store.Get(a.ctx, app, token)
	}
	return a.answerSession(ctx, &s, how.with, err)
}

// touch answers POST /{app}/touch/{token}?ttl=&max_age=&with=.
func (a *API) touch(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	ttl, err := seconds(ctx, "ttl", store.MinTTL, 0)
	if err != nil {
		return err
	}
	maxAge, err := queryMaxAge(ctx)
	if err != nil {
		return err
	}
	with, err := queryWith(ctx)
	if err != nil {
		return err
	}
	s, err := a.store.Touch(a.ctx, app, token, ttl, maxAge)
	return a.answerSession(ctx, &s, with, err)
}

// set answers POST /{app}/set/{token}?if_w=&with=.
func (a *API) set(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	return a.setSession(ctx, app, token)
}

// setSession merges the data in the body into that of a session.
func (a *API) setSession(ctx *fasthttp.RequestCtx, app, token string) error {
	w, err := between(ctx, "if_w", 1, math.MaxInt64, 0)
	if err != nil {
		return err
	}
	with, err := queryWith(ctx)
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
	var s store.Session
	if w == 0 {
		s, err = a.store.Set(a.ctx, app, token, d)
	} else {
		s, err = a.store.SetIf(a.ctx, app, token, w, d)
	}
	if errors.Is(err, store.ErrConflict) {
		a.metrics.Failed(errConflict.name)
		writeConflict(ctx, &s, with)
		return nil
	}
	return a.answerSession(ctx, &s, with, err)
}

// kill answers DELETE /{app}/kill/{token}.
func (a *API) kill(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	return a.killSession(ctx, app, token)
}

// killSession ends a session.
func (a *API) killSession(ctx *fasthttp.RequestCtx, app, token string) error {
	killed, err := a.store.Kill(a.ctx, app, token)
	return a.answerKill(ctx, killed, err)
}

// answerKill answers whether a session was killed.
func (a *API) answerKill(ctx *fasthttp.RequestCtx, killed bool, err error) error {
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

// rotate answers POST /{app}/rotate/{token}?grace=&id=&ip=&max_sessions=&with=.
func (a *API) rotate(ctx *fasthttp.RequestCtx) error {
	app, token, err := a.pathSession(ctx)
	if err != nil {
		return err
	}
	with, err := queryWith(ctx)
	if err != nil {
		return err
	}
	m, err := queryMove(ctx)
	if err != nil {
		return err
	}
	var d store.Details
	if m.ID != "" {
		fresh := store.NewToken(m.ID)
		d, err = a.store.Move(a.ctx, app, token, fresh, m)
		token = fresh
	} else {
		var grace int64
		if grace, err = queryGrace(ctx); err != nil {
			return err
		}
		token, d, err = a.store.Rotate(a.ctx, app, token, store.NewTokenLike(token), grace)
	}
	switch {
	case err == nil:
		writeToken(ctx, token, with, &d)
	case errors.Is(err, store.ErrNotFound):
		a.missed(ctx)
		writeText(ctx, contentTypeJSON, noSession)
	default:
		return err
	}
	return nil
}

// queryMove returns the id, ip and max_sessions parameters of a rotation to another
// user; the ID is "" if it is to none. The old token then ends at once: one that a guest
// had must not be worth a login.
func queryMove(ctx *fasthttp.RequestCtx) (m store.Move, err error) {
	id, found, err := queryValue(ctx, "id")
	switch {
	case err != nil:
		return m, err
	case found && !store.ValidID(id):
		return m, invalidFormat("id")
	}
	m.ID = strings.Clone(id)
	ip, _, err := queryValue(ctx, "ip")
	switch {
	case err != nil:
		return m, err
	case ip != "" && !store.ValidIP(ip):
		return m, invalidFormat("ip")
	}
	m.IP = strings.Clone(ip)
	if m.MaxSessions, err = queryMaxSessions(ctx); err != nil {
		return m, err
	}
	grace, _, err := queryValue(ctx, "grace")
	switch {
	case err != nil:
		return m, err
	case found && grace != "":
		return m, invalidValue("grace cannot be given with id: the old token ends at once")
	case !found && m.IP != "":
		return m, missingBeside("id", "ip")
	case !found && m.MaxSessions != 0:
		return m, missingBeside("id", "max_sessions")
	}
	return m, nil
}

// soid answers GET /{app}/soid/{id}?limit=&cursor=&with=.
func (a *API) soid(ctx *fasthttp.RequestCtx) error {
	app, id, err := pathUser(ctx)
	if err != nil {
		return err
	}
	how, err := queryList(ctx)
	if err != nil {
		return err
	}
	if how.limit > 0 {
		return a.writePage(ctx, a.store.PageOfID(a.ctx, app, id, how.limit, how.cursor), how.with)
	}
	return a.writeSessions(ctx, a.store.SessionsOfID(a.ctx, app, id), how.with)
}

// killsoid answers DELETE /{app}/killsoid/{id}?except=&handle=.
func (a *API) killsoid(ctx *fasthttp.RequestCtx) error {
	app, id, err := pathUser(ctx)
	if err != nil {
		return err
	}
	except, err := a.queryExcept(ctx)
	if err != nil {
		return err
	}
	handle, single, err := queryHandle(ctx)
	switch {
	case err != nil:
		return err
	case single && except != "":
		return invalidValue("handle and except cannot be given together: handle ends one session, except spares one")
	case single:
		killed, err := a.store.KillHandle(a.ctx, app, id, handle)
		return a.answerKill(ctx, killed, err)
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
func (a *API) answerSession(ctx *fasthttp.RequestCtx, s *store.Session, with details, err error) error {
	switch {
	case err == nil:
		a.metrics.Served()
		writeSession(ctx, s, with)
	case errors.Is(err, store.ErrNotFound):
		a.missed(ctx)
		writeText(ctx, contentTypeJSON, noSession)
	default:
		return err
	}
	return nil
}

// missed counts a request for a token, well formed, that names no session.
func (a *API) missed(ctx *fasthttp.RequestCtx) {
	a.metrics.Missed()
	a.sources.Missed(sources.Of(ctx.RemoteAddr()), ctx.Time())
}

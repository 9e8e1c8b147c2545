package handlers

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/admission"
	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/sources"
)

// access is what a route asks of who uses it.
type access struct {
	from scope
	// roles are those of the keys that may use the route.
	roles apikey.Role
	// queue is where the request waits, for scopeApp.
	queue admission.Queue
	// proxy is that of a route whose 401 says that a visitor has no session: the lack
	// of a key must not look like that, so it is 403.
	proxy bool
}

// scope is where a request may come from.
type scope uint8

const (
	scopeOpen  scope = iota // anywhere, without a key
	scopeLocal              // this machine, or whoever has a key
	scopeKey                // whoever has a key
	scopeApp                // whoever has a key that covers the app
)

// anyRole is every role that there is.
const anyRole = apikey.Full | apikey.ReadOnly | apikey.Web | apikey.Auth

var (
	accessOpen = access{from: scopeOpen, roles: anyRole}
	// accessAny is for what is not a route.
	accessAny = access{from: scopeKey, roles: anyRole}

	// Of the routes that the console uses too.
	accessActivity = allow(admission.Short, apikey.ReadOnly)
	accessSoapp    = allow(admission.Short, apikey.ReadOnly)
	accessSoid     = allow(admission.Short, apikey.ReadOnly|apikey.Web)
	accessKillsoid = allow(admission.Long, apikey.Web)
	accessMetrics  = access{from: scopeLocal, roles: apikey.Full | apikey.ReadOnly}
)

// allow is the access of a route that asks the store: for keys with one of the roles,
// and those with the role Full.
func allow(to admission.Queue, roles apikey.Role) access {
	return access{from: scopeApp, roles: apikey.Full | roles, queue: to}
}

// The reasons of metrics for what is refused; refusals has all of them.
const (
	refusedMissing  = "missing"   // no Authorization
	refusedInvalid  = "invalid"   // not one Bearer, or no such key
	refusedLimited  = "limited"   // the same, of a source that tried too often
	refusedApp      = "app"       // the key does not cover the app
	refusedReadOnly = "read_only" // a read-only key on a route that writes
	refusedRole     = "role"      // a key on a route that is not for its role, !web or !auth
	refusedRemote   = "remote"    // a route for this machine from another
)

var refusals = []string{refusedMissing, refusedInvalid, refusedLimited, refusedApp, refusedReadOnly, refusedRole, refusedRemote}

// SetKeys sets the keys that requests need from now on. Without, nil, all may do
// everything, but read /metrics from another machine.
func (a *API) SetKeys(keys *apikey.Set) { a.keys.Store(newKeyring(keys, a.metrics)) }

// ReloadKeys takes the keys of a file as it is now, and reports whether it did. A file
// that is wrong or missing changes nothing. The log says what was done.
func (a *API) ReloadKeys(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		a.logf("warning: reload: the API keys have not changed: %v", err)
		return false
	}
	keys, err := apikey.Parse(string(text))
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			a.logf("warning: reload: the API keys have not changed: %s: %s", path, line)
		}
		return false
	}
	a.SetKeys(keys)
	if keys.Len() == 1 {
		a.logf("reload: 1 API key from %s", path)
	} else {
		a.logf("reload: %d API keys from %s", keys.Len(), path)
	}
	return true
}

// authorize returns an error unless a request may do what needs the access, and the key
// that it shows, if one was needed and is there. app is that of the request, for scopeApp.
// It does not allocate for a request that may.
func (a *API) authorize(ctx *fasthttp.RequestCtx, need access, app string) (*apikey.Key, error) {
	if need.from == scopeOpen {
		return nil, nil
	}
	keys := a.keys.Load().set()
	if need.from == scopeLocal && isLocal(ctx) && !isForwarded(ctx) {
		return nil, nil
	}
	if keys == nil {
		if need.from == scopeLocal {
			return nil, a.refuse(refusedRemote, errRemote)
		}
		return nil, nil
	}
	key, err := a.keyOf(ctx, keys, need)
	if err != nil {
		return nil, err
	}
	if reason, err := denied(key, need, app); err != nil {
		return key, a.refuse(reason, err)
	}
	return key, nil
}

// keyOf returns the key that a request shows.
func (a *API) keyOf(ctx *fasthttp.RequestCtx, keys *apikey.Set, need access) (*apikey.Key, error) {
	given := ctx.Request.Header.PeekAll(fasthttp.HeaderAuthorization)
	if len(given) == 0 {
		return nil, a.unauthorized(ctx, need, refusedMissing)
	}
	text, ok := bearer(given[0])
	if !ok || len(given) > 1 {
		return nil, a.unauthorized(ctx, need, refusedInvalid)
	}
	key := keys.Find(text)
	if e := noted(ctx); e != nil {
		e.key = key
	}
	if key == nil {
		return nil, a.unauthorized(ctx, need, refusedInvalid)
	}
	return key, nil
}

// denied returns why a key may not do what needs the access, nil if it may.
func denied(key *apikey.Key, need access, app string) (reason string, err *apiError) {
	switch {
	case need.from == scopeApp && !key.Covers(app):
		return refusedApp, errApp
	case need.roles&key.Role != 0:
		return "", nil
	case key.Role == apikey.ReadOnly:
		return refusedReadOnly, errReadOnly
	case key.Role == apikey.Web:
		return refusedRole, errRoleWeb
	}
	return refusedRole, errRoleAuth
}

// unauthorized refuses a request without a valid key, with 429 if its source has sent too
// many. A request with a valid key is served whatever else its source sent: keys are too
// long to be guessed, and to lock a source out would let one program with a wrong key, or
// somebody behind the same proxy, take the others' sessions away.
func (a *API) unauthorized(ctx *fasthttp.RequestCtx, need access, reason string) error {
	if wait := a.sources.Failed(sources.Of(ctx.RemoteAddr()), ctx.Time()); wait > 0 {
		whole := int64((wait + time.Second - 1) / time.Second)
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(whole, 10))
		return a.refuse(refusedLimited, errAttempts)
	}
	if need.proxy {
		return a.refuse(reason, errAuthKey)
	}
	return a.refuse(reason, errUnauthorized)
}

func (a *API) refuse(reason string, err *apiError) error {
	a.metrics.Refused(reason)
	return err
}

// bearer returns the key of an Authorization header: "Bearer" in any case, spaces,
// the key. It aliases header.
func bearer(header []byte) ([]byte, bool) {
	const scheme = "bearer"
	if len(header) <= len(scheme) || header[len(scheme)] != ' ' || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.Trim(header[len(scheme):], " "), true
}

// isForwarded reports whether a proxy says that it hands on the request of another:
// its own address on this machine means nothing then.
func isForwarded(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	return len(h.Peek("Forwarded")) > 0 || len(h.Peek(fasthttp.HeaderXForwardedFor)) > 0 || len(h.Peek("X-Real-Ip")) > 0
}

// isLocal reports whether the peer is on this machine.
func isLocal(ctx *fasthttp.RequestCtx) bool {
	peer, ok := ctx.RemoteAddr().(*net.TCPAddr)
	return !ok || peer.IP.IsLoopback()
}

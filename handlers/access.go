package handlers

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/apikey"
)

// access is what a route asks of who uses it.
type access int

const (
	// accessOpen: nothing, for the health routes.
	accessOpen access = iota
	// accessLocal: to come from this machine, or any key.
	accessLocal
	// accessAny: any key, for what is no route.
	accessAny
	// accessRead: a key that covers the app.
	accessRead
	// accessWrite: a key that covers the app and is not read-only.
	accessWrite
	// accessSweep: the same, for routes that remove page after page, however many
	// there are.
	accessSweep
)

// The reasons of metrics for what is refused.
const (
	refusedMissing  = "missing"   // no Authorization
	refusedInvalid  = "invalid"   // not one Bearer, or no such key
	refusedLimited  = "limited"   // the same, of a source that tried too often
	refusedApp      = "app"       // the key does not cover the app
	refusedReadOnly = "read_only" // a read-only key on a route that writes
	refusedRemote   = "remote"    // a route for this machine from another
)

// SetKeys sets the keys that requests need from now on. Without, nil, all may do
// everything, but read /metrics from another machine.
func (a *API) SetKeys(keys *apikey.Set) { a.keys.Store(keys) }

// ReloadKeys takes the keys of a file as it is now. A file that is wrong, or gone,
// changes nothing. The log hears what was done.
func (a *API) ReloadKeys(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		a.logf("warning: reload: API keys are as before: %v", err)
		return
	}
	keys, err := apikey.Parse(string(text))
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			a.logf("warning: reload: API keys are as before: %s: %s", path, line)
		}
		return
	}
	a.SetKeys(keys)
	if keys.Len() == 1 {
		a.logf("reload: 1 API key from %s", path)
	} else {
		a.logf("reload: %d API keys from %s", keys.Len(), path)
	}
}

// authorize returns an error unless a request may do what needs the access. app is
// that of the request, for accessRead and what comes after it. It allocates nothing for who
// may.
func (a *API) authorize(ctx *fasthttp.RequestCtx, need access, app string) error {
	if need == accessOpen {
		return nil
	}
	keys := a.keys.Load()
	if need == accessLocal && isLocal(ctx) && !isForwarded(ctx) {
		return nil
	}
	if keys == nil {
		if need == accessLocal {
			return a.refuse(refusedRemote, errRemote)
		}
		return nil
	}
	given := ctx.Request.Header.PeekAll(fasthttp.HeaderAuthorization)
	if len(given) == 0 {
		return a.unauthorized(ctx, refusedMissing)
	}
	text, ok := bearer(given[0])
	if !ok || len(given) > 1 {
		return a.unauthorized(ctx, refusedInvalid)
	}
	key := keys.Find(text)
	switch {
	case key == nil:
		return a.unauthorized(ctx, refusedInvalid)
	case need < accessRead:
		return nil
	case !key.Covers(app):
		return a.refuse(refusedApp, errApp)
	case need > accessRead && key.ReadOnly:
		return a.refuse(refusedReadOnly, errReadOnly)
	}
	return nil
}

// unauthorized refuses who showed no key that there is. A source that does so too
// often hears 429. A right key is served whatever else its source sent: keys are too
// long to be guessed, so to lock a source out would only let one program that has a
// wrong key, or somebody behind the same proxy, take the others' sessions away.
func (a *API) unauthorized(ctx *fasthttp.RequestCtx, reason string) error {
	if wait := a.sources.failed(sourceOf(ctx), ctx.Time()); wait > 0 {
		whole := int64((wait + time.Second - 1) / time.Second)
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(whole, 10))
		return a.refuse(refusedLimited, errAttempts)
	}
	return a.refuse(reason, errUnauthorized)
}

func (a *API) refuse(reason string, err *apiError) error {
	a.metrics.refused(reason)
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

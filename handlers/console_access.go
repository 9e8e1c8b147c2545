package handlers

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/apikey"
	"rest-sessions/store"
)

// consoleRoutes are the routes that the console uses, by the names that it has for them.
var consoleRoutes = []struct {
	name string
	need access
}{
	{"metrics", accessMetrics},
	{"activity", accessActivity},
	{"soapp", accessSoapp},
	{"soid", accessSoid},
	{"killsoid", accessKillsoid},
}

// roleNames are the roles as the list of keys writes them.
var roleNames = map[apikey.Role]string{apikey.Full: "", apikey.ReadOnly: "!ro", apikey.Web: "!web", apikey.Auth: "!auth"}

// consoleAccess answers GET /console/access.json?app=: whether requests need a key, and
// what the one that is shown may do. The console so refrains from what would be refused
// and counted as such. Without a key the answer is no error: that is how it starts.
func (a *API) consoleAccess(ctx *fasthttp.RequestCtx) error {
	app, given, err := queryValue(ctx, "app")
	if err != nil {
		return err
	}
	if given && !store.ValidApp(app) {
		return invalidFormat("app")
	}
	keys := a.keys.Load().set()
	var key *apikey.Key
	if keys != nil && len(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)) > 0 {
		if key, err = a.keyOf(ctx, keys, accessAny); err != nil {
			return err
		}
	}
	b := append(body(ctx), `{"key_required":`...)
	b = strconv.AppendBool(b, keys != nil)
	if key != nil {
		b = append(b, `,"name":`...)
		b = appendString(b, key.Name)
		b = append(b, `,"role":`...)
		b = appendString(b, roleNames[key.Role])
		if apps := key.Apps(); apps != nil {
			b = appendTexts(append(b, `,"apps":`...), apps)
		}
	}
	var may []string
	for _, r := range consoleRoutes {
		if a.mayUse(ctx, keys, key, r.need, app) {
			may = append(may, r.name)
		}
	}
	b = appendTexts(append(b, `,"may":`...), may)
	setBody(ctx, append(b, '}'))
	return nil
}

// mayUse reports whether a request with the key, or without one, nil, would be let in. An
// app that is empty is one that the key covers.
func (a *API) mayUse(ctx *fasthttp.RequestCtx, keys *apikey.Set, key *apikey.Key, need access, app string) bool {
	switch {
	case need.from == scopeLocal && isLocal(ctx) && !isForwarded(ctx):
		return true
	case keys == nil:
		return need.from != scopeLocal
	case key == nil:
		return false
	case app == "":
		need.from = scopeKey
	}
	_, err := denied(key, need, app)
	return err == nil
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	return append(b, ']')
}

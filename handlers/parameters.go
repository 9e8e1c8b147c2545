package handlers

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/nearest"
)

// parameters are the query parameters of each route that takes some or asks the store. One that is
// not there is refused: misspelt, it would turn off what it was to protect.
var parameters = map[string][]string{
	routeCreate:             {"ip", "ttl", "no_resave", "max_age", "max_sessions", "with"},
	routeGet:                {"touch", "with"},
	routeAuth:               {"data"},
	routeSet:                {"if_w", "with"},
	"/{app}/touch/{token}":  {"ttl", "max_age", "with"},
	"/{app}/rotate/{token}": {"grace", "id", "ip", "max_sessions", "with"},
	"/{app}/activity":       {"dt"},
	"/{app}/soapp":          {"dt", "limit", "cursor", "with"},
	"/{app}/soid/{id}":      {"limit", "cursor", "with"},
	routeKill:               {},
	"/{app}/killsoid/{id}":  {"except", "handle"},
	"/{app}/killall":        {},
	routeConsoleAccess:      {"app"},
}

// knownParameters returns an error if the query has a parameter that is none of known.
// Names that begin with _ are let through: they keep caches from answering.
func knownParameters(ctx *fasthttp.RequestCtx, known []string) error {
	sent := query(ctx)
	for rest := unsafe.String(unsafe.SliceData(sent), len(sent)); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		raw, _, _ := strings.Cut(pair, "=")
		name, ok := unescape(raw, true)
		switch {
		case !ok:
			return unknownParameter("The name of a parameter has a broken escape")
		case name == "" || name[0] == '_' || slices.Contains(known, name):
		case len(known) == 0:
			return unknownParameter("The route has no parameters; unknown parameter " + shorten(name))
		default:
			message := "There is no parameter " + shorten(name)
			if near := nearest.Of(shorten(name), known); near != "" {
				return unknownParameter(message + "; the nearest is " + near)
			}
			return unknownParameter(message + "; the route has " + strings.Join(known, ", "))
		}
	}
	return nil
}

// shorten copies the start of a name for a message: a whole token may stand where a
// name should.
func shorten(name string) string {
	const most = 16
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "..."
	}
	return strings.ToValidUTF8(strings.Clone(name), "")
}

package handlers

import (
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"rest-sessions/internal/nearest"
)

// route is a method and a path as the router takes them.
type route struct{ method, path string }

// routes are all, for the message of a 404.
type routes []route

// notFound says that the path is not a route, and which route is near, or where all are. Of
// the path it shows only the word that should be a verb: another segment may be a token.
func (r routes) notFound(ctx *fasthttp.RequestCtx) error {
	path := string(ctx.URI().PathOriginal())
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at := min(1, len(segments)-1) // of the verb
	if verbs, _ := r.verbs("/{app}/"); len(segments) == 2 && slices.Contains(verbs, strings.ToLower(segments[0])) {
		at = 0 // the app is left out
	}
	form := make([]string, min(len(segments), 4))
	for i := range form {
		if segments[i] != "" {
			form[i] = "…"
		}
	}
	if at == 1 && form[0] != "" {
		form[0] = "{app}"
	}
	form[at] = shownWord(segments[at])
	message := methodName(ctx) + " /" + strings.Join(form, "/") + " is not a route"
	if word := form[at]; word != "" && word != "…" {
		under := "/"
		if at == 1 {
			under = "/{app}/"
		}
		verbs, all := r.verbs(under)
		if near := nearest.Of(strings.ToLower(word), verbs); near != "" {
			return &apiError{errNotFound.status, errNotFound.name, message + "; the nearest is " + all[slices.Index(verbs, near)]}
		}
	}
	message += "; /openapi.json lists all"
	return &apiError{errNotFound.status, errNotFound.name, message}
}

// verbs returns the verbs of the routes whose paths begin with under, and for each its
// route, method and path.
func (r routes) verbs(under string) (verbs, all []string) {
	for _, route := range r {
		if strings.HasPrefix(route.path, under) && route.path != "/" {
			verb, _, _ := strings.Cut(strings.TrimPrefix(route.path, "/{app}")[1:], "/")
			verbs, all = append(verbs, verb), append(all, strings.TrimPrefix(route.method+" "+route.path, router.MethodWild+" "))
		}
	}
	return verbs, all
}

// methodNotAllowed answers 405. The router has set Allow, but counts OPTIONS in,
// which nothing here answers.
func methodNotAllowed(ctx *fasthttp.RequestCtx) error {
	methods := strings.Split(string(ctx.Response.Header.Peek(fasthttp.HeaderAllow)), ", ")
	methods = slices.DeleteFunc(methods, func(m string) bool { return m == fasthttp.MethodOptions })
	allowed := strings.Join(methods, ", ")
	ctx.Response.Header.Set(fasthttp.HeaderAllow, allowed)
	return &apiError{errMethod.status, errMethod.name, "The route does not accept " + methodName(ctx) + ", only " + allowed}
}

// methodName is the request's method for a message, unless it is none that anybody means.
func methodName(ctx *fasthttp.RequestCtx) string {
	if name := shownWord(string(ctx.Method())); name != "…" {
		return name
	}
	return "this method"
}

// shownWord returns a word that a message may show: one that is too short for a token or
// a key, of letters; of another an ellipsis.
func shownWord(word string) string {
	const most = 16
	for i := range len(word) {
		if c := word[i] | 0x20; c < 'a' || c > 'z' {
			return "…"
		}
	}
	if len(word) > most {
		return "…"
	}
	return word
}

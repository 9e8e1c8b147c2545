package handlers

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fasthttp/router"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// noRoute is the path, in the tests' copy of the document, of what no operation answers:
// every error may be answered there.
const noRoute = "/none"

// describedAPI holds answers to the document.
type describedAPI struct{ *openapi3.T }

var described = sync.OnceValue(func() describedAPI {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(openAPIDocument))
	if err != nil {
		panic(err)
	}
	// A property that no schema has is an error here, though clients must bear it.
	for _, schema := range doc.Components.Schemas {
		if len(schema.Value.Properties) > 0 {
			schema.Value.AdditionalProperties = openapi3.BoolSchema{Has: new(bool)}
		}
	}
	all := openapi3.NewResponses()
	all.Delete("default")
	for name, response := range doc.Components.Responses {
		if name != "VisitorWithoutSession" { // which is of one route alone
			all.Set(openAPIStatus[name], response)
		}
	}
	doc.Paths.Set(noRoute, &openapi3.PathItem{Get: &openapi3.Operation{Responses: all}, Head: &openapi3.Operation{Responses: all}})
	return describedAPI{doc}
})

// openAPIStatus is the status of each response of the document's components.
var openAPIStatus = map[string]string{
	"BadRequest": "400", "Unauthorized": "401", "VisitorWithoutSession": "401", "Forbidden": "403", "NotFound": "404", "MethodNotAllowed": "405", "RequestTimeout": "408", "Conflict": "409",
	"BodyTooLarge": "413", "UnsupportedMediaType": "415", "TooManyAttempts": "429", "HeadersTooLarge": "431", "InternalError": "500", "Unavailable": "503",
}

// errorNames are the names of the errors that a response has as examples.
func errorNames(r *openapi3.ResponseRef) []string {
	var names []string
	for _, content := range r.Value.Content {
		for _, example := range content.Examples {
			if e, ok := example.Value.Value.(map[string]any); ok {
				names = append(names, fmt.Sprint(e["name"]))
			}
		}
	}
	return names
}

// operation returns the path and operation of the document that a request is of.
func (d describedAPI) operation(method, target string) (string, *openapi3.Operation) {
	targets := []string{target}
	if express, ok := expressTarget([]byte(target)); ok {
		targets = append(targets, string(express))
	}
	for _, t := range targets {
		t, _, _ = strings.Cut(t, "?")
		if segments := strings.Split(t, "/"); len(segments) > 2 && segments[2] == "auth" {
			return routeAuth, d.Paths.Value(routeAuth).Get // whatever the method, and what follows
		}
		if item := d.Paths.Value(t); item != nil && item.Operations()[method] != nil {
			return t, item.Operations()[method]
		}
		for path, item := range d.Paths.Map() {
			if o := item.Operations()[method]; o != nil && fitsTemplate(path, t) && path != noRoute {
				return path, o
			}
		}
	}
	return noRoute, d.Paths.Value(noRoute).Get
}

// fitsTemplate reports whether a raw path is one of a path with segments in braces.
func fitsTemplate(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (got[i] == "" || !strings.HasPrefix(want[i], "{")) {
			return false
		}
		if want[i] == "{file}" && !strings.Contains(got[i], ".") {
			return false // a route of the app console
		}
	}
	return true
}

// problem says what is wrong with an answer to a request of that first line, by the
// document; "" for nothing.
func (d describedAPI) problem(method, requestLine string, a answer) string {
	if a.status < 200 {
		return "" // 100 Continue
	}
	target := ""
	if words := strings.Fields(requestLine); len(words) > 1 {
		target = words[1]
	}
	path, operation := d.operation(method, target)
	wrong := func(what any) string {
		return fmt.Sprintf("%s %s answered %d %.300s, which openapi.json does not say: %v", method, path, a.status, a.body, what)
	}
	documented := operation.Responses.Status(a.status)
	if documented == nil {
		return wrong("no such status")
	}
	if method == "HEAD" {
		return ""
	}
	header := a.header.Clone()
	if path == "/ping" && a.status == 200 {
		header.Set("Content-Type", contentTypeText) // the original's says JSON, which PONG is not
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: &http.Request{Method: method},
			Route:   &routers.Route{Spec: d.T, Operation: operation},
		},
		Status: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		return wrong(err)
	}
	if a.status >= 400 {
		var e struct{ Name string }
		_ = json.Unmarshal([]byte(a.body), &e) // it has passed the schema
		if names := errorNames(documented); !slices.Contains(names, e.Name) {
			return wrong(fmt.Sprintf("the errors there are %v", names))
		}
	}
	return ""
}

// TestOpenAPI reads the document, which needs no key, and wants it to be valid.
func TestOpenAPI(t *testing.T) {
	a := serveKeyed(t).do("GET", "/openapi.json", "")
	if a.status != 200 || a.header.Get("Content-Type") != contentTypeJSON || a.body != openAPIDocument {
		t.Errorf("%d %s %.100s", a.status, a.header.Get("Content-Type"), a.body)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("the version of OpenAPI is %s", doc.OpenAPI)
	}
}

// TestOpenAPIFindsFaults holds answers to the document that it does not describe.
func TestOpenAPIFindsFaults(t *testing.T) {
	json := http.Header{"Content-Type": {contentTypeJSON}}
	withHandle := json.Clone()
	withHandle.Set(headerID, "a")
	withHandle.Set(headerHandle, strings.Repeat("x", store.HandleLen))
	session := `{"id":"a","r":1,"w":1,"ttl":10,"idle":0,"ip":""`
	for _, c := range []struct {
		method, path string
		answer       answer
		fine         bool
	}{
		{"GET", "/app/get/-", answer{200, json, session + "}"}, true},
		{"GET", "/app/Get/x/", answer{200, json, session + `,"d":{"a":{"b":null}}}`}, true},
		{"GET", "/app/get/-", answer{200, json, "{}"}, true},
		{"GET", "/app/get/-", answer{200, json, session + `,"created":"now"}`}, false},
		{"GET", "/app/get/-", answer{200, json, session + `,"other":1}`}, false},
		{"GET", "/app/get/-", answer{200, json, `{"id":"a"}`}, false},
		{"GET", "/app/get/-", answer{200, json, session}, false},
		{"GET", "/app/get/-", answer{200, http.Header{"Content-Type": {contentTypeText}}, "{}"}, false},
		{"GET", "/app/get/-", answer{204, json, ""}, false},
		{"GET", "/app/get/-", answer{400, json, `{"name":"invalidFormat","message":"m"}`}, true},
		{"GET", "/app/get/-", answer{400, json, `{"name":"notFound","message":"m"}`}, false},
		{"GET", "/app/get/-", answer{400, json, `{"name":"invalidFormat"}`}, false},
		{"GET", "/app/get/-", answer{404, json, `{"name":"notFound","message":"m"}`}, false},
		{"GET", "/app/got/-", answer{404, json, `{"name":"notFound","message":"m"}`}, true},
		{"GET", "/app/get/-", answer{503, json, `{"name":"draining","message":"m"}`}, false}, // no Retry-After
		{"GET", "/app/soid/a%2Fb", answer{200, json, `{"sessions":[` + session + `}]}`}, true},
		{"GET", "/app/soid/a%2Fb", answer{200, json, `{"sessions":[{}]}`}, false},
		{"DELETE", "/app/killall", answer{200, json, `{"kill":"1"}`}, false},
		{"GET", "/app/auth", answer{200, withHandle, session + "}"}, true},
		{"BREW", "/app/auth/a/b?c", answer{200, withHandle, session + "}"}, true},
		{"GET", "/app/auth", answer{200, json, session + "}"}, false}, // no header
		{"GET", "/app/auth", answer{200, withHandle, "{}"}, false},
		{"GET", "/app/auth", answer{401, json, `{"name":"noSession","message":"m"}`}, true},
		{"GET", "/app/auth", answer{401, json, `{"name":"unauthorized","message":"m"}`}, false},
		{"GET", "/app/get/-", answer{401, json, `{"name":"noSession","message":"m"}`}, false},
		{"HEAD", "/livez", answer{200, json, ""}, true},
		{"HEAD", "/livez", answer{302, json, ""}, false},
	} {
		problem := described().problem(c.method, c.method+" "+c.path+" HTTP/1.1", c.answer)
		if (problem == "") != c.fine {
			t.Errorf("%s %s, %d %s: %q", c.method, c.path, c.answer.status, c.answer.body, problem)
		}
	}
}

// TestOpenAPIRoutes holds the document's paths to the router's, and their parameters to
// those that each route takes, both ways.
func TestOpenAPIRoutes(t *testing.T) {
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	api.Handler()
	inRouter, inDocument := map[string]bool{}, map[string]bool{}
	for _, r := range api.routes {
		inRouter[strings.Replace(r.method, router.MethodWild, "GET", 1)+" "+r.path] = true
	}
	doc := described()
	for path, item := range doc.Paths.Map() {
		if path == noRoute {
			continue
		}
		for method, operation := range item.Operations() {
			inDocument[method+" "+path] = true
			checkParameters(t, path, operation)
		}
	}
	for r := range inRouter {
		if !inDocument[r] {
			t.Errorf("handlers/openapi.json lacks the route %s: document it there", r)
		}
	}
	for r := range inDocument {
		if !inRouter[r] {
			t.Errorf("handlers/openapi.json has %s, which is not a route", r)
		}
	}
	for path := range parameters {
		if doc.Paths.Value(path) == nil {
			t.Errorf("parameters has %s, which handlers/openapi.json lacks", path)
		}
	}
}

func checkParameters(t *testing.T, path string, operation *openapi3.Operation) {
	t.Helper()
	want := []string{}
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			want = append(want, "path "+strings.TrimSuffix(name, "}"))
		}
	}
	for _, name := range parameters[path] {
		want = append(want, "query "+name)
	}
	if slices.Contains(want, "path token") || slices.Contains(want, "query except") || path == routeAuth {
		want = append(want, "header "+tokenHeader, "cookie "+DefaultCookie)
	}
	got := []string{}
	for _, p := range operation.Parameters {
		got = append(got, p.Value.In+" "+p.Value.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: handlers/openapi.json has the parameters %q, the server %q", path, got, want)
	}
	if _, strict := parameters[path]; !strict && path != "/metrics" && (operation.Security == nil || len(*operation.Security) > 0) {
		t.Errorf("%s: handlers/openapi.json does not say that it is open", path)
	}
}

// TestOpenAPILimits holds the bounds and defaults of parameters to those of the code.
func TestOpenAPILimits(t *testing.T) {
	for name, want := range map[string][3]any{ // minimum, maximum, default
		"ttl":          {store.MinTTL, store.MaxTTL, store.DefaultTTL},
		"max_age":      {store.MinTTL, store.MaxTTL, nil},
		"dt":           {store.MinActivity, store.MaxTTL, nil},
		"max_sessions": {1, store.MaxUserSessions, nil},
		"grace":        {0, store.MaxGrace, store.DefaultGrace},
		"limit":        {1, maxLimit, nil},
	} {
		found := false
		for component, ref := range described().Components.Parameters {
			p := ref.Value
			if p.Name != name {
				continue
			}
			want := want
			if strings.HasPrefix(component, "new") { // left out, the session's stays
				want[2] = nil
			}
			found = true
			schema := p.Schema.Value
			for i, got := range []any{schema.Min, schema.Max, schema.Default} {
				switch n := got.(type) {
				case *float64:
					got = int64(*n)
				case float64:
					got = int64(n)
				}
				if fmt.Sprint(got) != fmt.Sprint(want[i]) {
					t.Errorf("%s: minimum, maximum, default: number %d is %v, not %v", name, i+1, got, want[i])
				}
			}
		}
		if !found {
			t.Errorf("there is no parameter %s", name)
		}
	}
}

// TestOpenAPIErrors holds the errors of the document, status and name, to those that the
// package makes, both ways.
func TestOpenAPIErrors(t *testing.T) {
	documented := map[string]bool{}
	for name, response := range described().Components.Responses {
		for _, e := range errorNames(response) {
			documented[openAPIStatus[name]+" "+e] = true
		}
	}
	made := errorsMade(t)
	for e := range made {
		if !documented[e] {
			t.Errorf("handlers/openapi.json has no example of the error %s", e)
		}
	}
	for e := range documented {
		if !made[e] {
			t.Errorf("handlers/openapi.json has an example of the error %s, which the server does not make", e)
		}
	}
	if len(made) < 15 {
		t.Errorf("only %d errors were found", len(made))
	}
}

// errorsMade reads status and name of each apiError that the package's source makes of
// constants.
func errorsMade(t *testing.T) map[string]bool {
	t.Helper()
	made := map[string]bool{}
	files, _ := filepath.Glob("*.go")
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || len(literal.Elts) != 3 {
				return true
			}
			if kind, ok := literal.Type.(*ast.Ident); !ok || kind.Name != "apiError" {
				return true
			}
			status, constant := literal.Elts[0].(*ast.SelectorExpr)
			name, text := literal.Elts[1].(*ast.BasicLit)
			if !constant || !text {
				return true // made of another error
			}
			value, ok := statusByName()[status.Sel.Name]
			if !ok {
				t.Errorf("%s: what is the status %s?", path, status.Sel.Name)
			}
			unquoted, _ := strconv.Unquote(name.Value)
			made[strconv.Itoa(value)+" "+unquoted] = true
			return true
		})
	}
	return made
}

// statusByName has fasthttp's names of the statuses of errors.
func statusByName() map[string]int {
	return map[string]int{
		"StatusBadRequest": fasthttp.StatusBadRequest, "StatusUnauthorized": fasthttp.StatusUnauthorized, "StatusForbidden": fasthttp.StatusForbidden,
		"StatusNotFound": fasthttp.StatusNotFound, "StatusMethodNotAllowed": fasthttp.StatusMethodNotAllowed, "StatusRequestTimeout": fasthttp.StatusRequestTimeout,
		"StatusConflict": fasthttp.StatusConflict, "StatusRequestEntityTooLarge": fasthttp.StatusRequestEntityTooLarge,
		"StatusUnsupportedMediaType": fasthttp.StatusUnsupportedMediaType, "StatusTooManyRequests": fasthttp.StatusTooManyRequests,
		"StatusRequestHeaderFieldsTooLarge": fasthttp.StatusRequestHeaderFieldsTooLarge, "StatusInternalServerError": fasthttp.StatusInternalServerError,
		"StatusServiceUnavailable": fasthttp.StatusServiceUnavailable,
	}
}

package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"rest-sessions/scripts/openapi.d/client/sessions"
)

// Keys of the server.
const (
	keyAll    = "all0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyReader = "reader0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// TestRoundTrip uses each route with each of its parameters, by the generated client.
func TestRoundTrip(t *testing.T) {
	ctx := t.Context()
	url := startServer(t, "all:"+keyAll+" reader@shop!ro:"+keyReader)
	c := newClient(t, url, keyAll, http.DefaultClient)

	document, err := c.OpenapiWithResponse(ctx)
	if err != nil || document.JSON200 == nil {
		t.Fatal(err, document)
	}
	covered := newCoverage(t, document.Body)
	c = newClient(t, url, keyAll, covered)
	const app = "shop"

	// A session's life.
	create := func(id string, params sessions.CreateParams, data sessions.Data) string {
		t.Helper()
		r, err := c.CreateWithResponse(ctx, app, id, &params, data)
		if err != nil || r.JSON200 == nil {
			t.Fatalf("create: %v %s", err, r.Body)
		}
		return r.JSON200.Token
	}
	const id = "ünï/cödé +?#%2F"
	token := create(id, sessions.CreateParams{Ip: "::1", Ttl: new(int64(100)), NoResave: new(false), MaxAge: new(int64(1000)), MaxSessions: new(2)}, sessions.Data{"a": 1, "b": []any{map[string]any{"c": nil}}})
	wantSession := func(what string, r int64, w int64, got *sessions.SessionOrNone, data string) {
		t.Helper()
		if got == nil {
			t.Fatalf("%s: no session", what)
		}
		s, err := got.AsSession()
		if err != nil || s.Id != id || s.R != r || s.W != w || s.Ttl != 100 || s.Ip != "::1" || s.NoResave != nil || s.D == nil || fmt.Sprint(*s.D) != data {
			t.Fatalf("%s: %v %+v", what, err, s)
		}
	}
	get, err := c.GetWithResponse(ctx, app, token, nil)
	must(t, err)
	wantSession("get", 1, 1, get.JSON200, "map[a:1 b:[map[c:<nil>]]]")
	get, err = c.GetWithResponse(ctx, app, "-", &sessions.GetParams{XSessionToken: &token})
	must(t, err)
	wantSession("get by header", 2, 1, get.JSON200, "map[a:1 b:[map[c:<nil>]]]")
	get, err = c.GetWithResponse(ctx, app, "-", &sessions.GetParams{Sid: &token})
	must(t, err)
	wantSession("get by cookie", 3, 1, get.JSON200, "map[a:1 b:[map[c:<nil>]]]")
	for i, params := range []sessions.SetParams{{XSessionToken: &token}, {Sid: &token}} {
		set, err := c.SetWithResponse(ctx, app, "-", &params, sessions.Data{"a": nil, "b": true})
		must(t, err)
		wantSession("set", 4, int64(i+2), set.JSON200, "map[b:true]")
	}
	peek, err := c.GetWithResponse(ctx, app, token, &sessions.GetParams{Touch: new(false), With: new("handle,created,expires")})
	must(t, err)
	wantSession("get without touch", 4, 3, peek.JSON200, "map[b:true]")
	if s, err := peek.JSON200.AsSession(); err != nil || s.Handle == nil || s.Created == nil || s.Expires == nil || *s.Expires < *s.Created+100 {
		t.Fatalf("details: %s", peek.Body)
	}
	for i, params := range []sessions.TouchParams{{XSessionToken: &token}, {Sid: &token, Ttl: new(int64(100)), MaxAge: new(int64(1000)), With: new("created")}} {
		touch, err := c.TouchWithResponse(ctx, app, "-", &params)
		must(t, err)
		wantSession(fmt.Sprint("touch ", i), 4, 3, touch.JSON200, "map[b:true]")
	}
	conflict, err := c.SetWithResponse(ctx, app, token, &sessions.SetParams{IfW: new(int64(2)), With: new("handle")}, sessions.Data{"b": false})
	must(t, err)
	if conflict.JSON409 == nil || conflict.JSON409.Session.W != 3 || conflict.JSON409.Session.Handle == nil {
		t.Fatalf("set with another w: %s", conflict.Body)
	}
	changed, err := c.SetWithResponse(ctx, app, token, &sessions.SetParams{IfW: new(int64(3)), With: new("handle")}, sessions.Data{"b": true})
	must(t, err)
	wantSession("set if w", 4, 4, changed.JSON200, "map[b:true]")
	for _, params := range []func() sessions.RotateParams{
		func() sessions.RotateParams { return sessions.RotateParams{XSessionToken: &token, Grace: new(0)} },
		func() sessions.RotateParams { return sessions.RotateParams{Sid: &token, Grace: new(0)} },
	} {
		p := params()
		rotated, err := c.RotateWithResponse(ctx, app, "-", &p)
		must(t, err)
		if rotated.JSON200 == nil {
			t.Fatalf("rotate: %s", rotated.Body)
		}
		next, err := rotated.JSON200.AsToken()
		if err != nil || len(next.Token) != 64 || next.Token == token {
			t.Fatalf("rotate: %v %s", err, rotated.Body)
		}
		old, err := c.GetWithResponse(ctx, app, token, nil)
		must(t, err)
		if none, err := old.JSON200.AsEmpty(); err != nil || len(none) != 0 {
			t.Fatalf("after a rotation: %v %s", err, old.Body)
		}
		token = next.Token
	}

	for _, params := range []sessions.AuthParams{{XSessionToken: &token, Data: new("b,c")}, {Sid: &token}} {
		auth, err := c.AuthWithResponse(ctx, app, &params)
		must(t, err)
		if data := auth.HTTPResponse.Header.Get("X-Session-Data"); auth.JSON200 == nil || auth.JSON200.Id != id || data != `{"b":true}` {
			t.Fatalf("auth: %s, X-Session-Data %s", auth.Body, data)
		}
	}

	// Lists, whole and in pages.
	other := create("guest", sessions.CreateParams{Ip: "::7", With: new("handle")}, sessions.Data{}) // nil would be null
	login, err := c.RotateWithResponse(ctx, app, other, &sessions.RotateParams{Id: new(id), Ip: new("::1"), MaxSessions: new(2), With: new("handle")})
	must(t, err)
	if login.JSON200 == nil {
		t.Fatalf("guest to user: %s", login.Body)
	}
	user, err := login.JSON200.AsToken()
	if err != nil || user.Handle == nil {
		t.Fatalf("guest to user: %v %s", err, login.Body)
	}
	other = user.Token
	soid, err := c.SoidWithResponse(ctx, app, id, nil)
	must(t, err)
	if soid.JSON200 == nil || len(soid.JSON200.Sessions) != 2 || soid.JSON200.Cursor != nil {
		t.Fatalf("soid: %s", soid.Body)
	}
	soid, err = c.SoidWithResponse(ctx, app, id, &sessions.SoidParams{Limit: new(1), With: new("handle")})
	must(t, err)
	if soid.JSON200 == nil || len(soid.JSON200.Sessions) != 1 || soid.JSON200.Cursor == nil {
		t.Fatalf("soid, page 1: %s", soid.Body)
	}
	soid, err = c.SoidWithResponse(ctx, app, id, &sessions.SoidParams{Limit: new(2), Cursor: soid.JSON200.Cursor})
	must(t, err)
	if soid.JSON200 == nil || len(soid.JSON200.Sessions) != 1 || soid.JSON200.Cursor != nil {
		t.Fatalf("soid, page 2: %s", soid.Body)
	}
	soapp, err := c.SoappWithResponse(ctx, app, &sessions.SoappParams{Dt: 60, Limit: new(1), With: new("handle")})
	must(t, err)
	if soapp.JSON200 == nil || len(soapp.JSON200.Sessions) != 1 || soapp.JSON200.Cursor == nil {
		t.Fatalf("soapp, page 1: %s", soapp.Body)
	}
	soapp, err = c.SoappWithResponse(ctx, app, &sessions.SoappParams{Dt: 60, Limit: new(2), Cursor: soapp.JSON200.Cursor})
	must(t, err)
	if soapp.JSON200 == nil || len(soapp.JSON200.Sessions) != 1 {
		t.Fatalf("soapp, page 2: %s", soapp.Body)
	}
	activity, err := c.ActivityWithResponse(ctx, app, &sessions.ActivityParams{Dt: 60})
	must(t, err)
	if activity.JSON200 == nil || activity.JSON200.Activity != 1 {
		t.Fatalf("activity: %s", activity.Body)
	}

	// The end of sessions.
	wantKilled := func(what string, n int64, kill *sessions.Kill, body []byte) {
		t.Helper()
		if kill == nil || kill.Kill != n {
			t.Fatalf("%s: %s", what, body)
		}
	}
	spared, err := c.KillsoidWithResponse(ctx, app, id, &sessions.KillsoidParams{Except: new("-"), XSessionToken: &token})
	must(t, err)
	wantKilled("killsoid, but for the header's", 1, spared.JSON200, spared.Body)
	spared, err = c.KillsoidWithResponse(ctx, app, id, &sessions.KillsoidParams{Except: new("-"), Sid: &token})
	must(t, err)
	wantKilled("killsoid, but for the cookie's", 0, spared.JSON200, spared.Body)
	for want, params := range []sessions.KillParams{{XSessionToken: &other}, {Sid: &token}} {
		kill, err := c.KillWithResponse(ctx, app, "-", &params)
		must(t, err)
		wantKilled("kill", int64(want), kill.JSON200, kill.Body)
	}
	device := create(id, sessions.CreateParams{Ip: "::1"}, sessions.Data{})
	one, err := c.GetWithResponse(ctx, app, device, &sessions.GetParams{With: new("handle")})
	must(t, err)
	s, err := one.JSON200.AsSession()
	if err != nil || s.Handle == nil {
		t.Fatalf("get with handle: %v %s", err, one.Body)
	}
	ended, err := c.KillsoidWithResponse(ctx, app, id, &sessions.KillsoidParams{Handle: s.Handle})
	must(t, err)
	wantKilled("killsoid by a handle", 1, ended.JSON200, ended.Body)
	create("b", sessions.CreateParams{Ip: "::1", NoResave: new(true)}, sessions.Data{})
	killall, err := c.KillallWithResponse(ctx, app)
	must(t, err)
	wantKilled("killall", 1, killall.JSON200, killall.Body)

	openRoutes(t, newClient(t, url, "", covered))

	missing, used := covered.missing()
	slices.Sort(missing)
	for _, m := range missing {
		t.Errorf("%s was not used: use it in this test", m)
	}
	t.Logf("%d operations and parameters were used", used)
}

// openRoutes uses the routes that need no key on this machine.
func openRoutes(t *testing.T, c *sessions.ClientWithResponses) {
	t.Helper()
	ctx := t.Context()
	text := func(what string, body []byte, err error, begins string) {
		t.Helper()
		if err != nil || !bytes.HasPrefix(body, []byte(begins)) {
			t.Errorf("%s: %v %.100q", what, err, body)
		}
	}
	root, err := c.RootWithResponse(ctx)
	text("/", root.Body, err, "rest-sessions")
	openapi, err := c.OpenapiWithResponse(ctx)
	text("/openapi.json", openapi.Body, err, "{")
	console, err := c.ConsoleWithResponse(ctx)
	text("/console", console.Body, err, "<!doctype html>")
	file, err := c.ConsoleFileWithResponse(ctx, "main.js")
	text("/console/main.js", file.Body, err, "//")
	app := "shop"
	access, err := c.ConsoleAccessWithResponse(ctx, &sessions.ConsoleAccessParams{App: &app})
	if err != nil || access.JSON200 == nil || !access.JSON200.KeyRequired {
		t.Errorf("/console/access.json: %v %s", err, access.Body)
	}
	ping, err := c.PingWithResponse(ctx)
	text("/ping", ping.Body, err, "PONG")
	livez, err := c.LivezWithResponse(ctx)
	text("/livez", livez.Body, err, "ok")
	readyz, err := c.ReadyzWithResponse(ctx)
	text("/readyz", readyz.Body, err, "ok")
	healthz, err := c.HealthzWithResponse(ctx)
	text("/healthz", healthz.Body, err, "ok")
	metrics, err := c.MetricsWithResponse(ctx)
	text("/metrics", metrics.Body, err, "# HELP")
	for what, head := range map[string]func(context.Context, ...sessions.RequestEditorFn) (*http.Response, error){
		"/": c.RootHead, "/openapi.json": c.OpenapiHead, "/console": c.ConsoleHead, "/console/main.js": func(ctx context.Context, editors ...sessions.RequestEditorFn) (*http.Response, error) {
			return c.ConsoleFileHead(ctx, "main.js", editors...)
		},
		"/ping": c.PingHead, "/livez": c.LivezHead, "/readyz": c.ReadyzHead, "/healthz": c.HealthzHead,
	} {
		r, err := head(ctx)
		if err != nil || r.StatusCode != http.StatusOK || r.ContentLength <= 0 {
			t.Errorf("HEAD %s: %v %+v", what, err, r)
			continue
		}
		r.Body.Close()
	}
}

// TestErrors reads errors by the types that the generated client has for them.
func TestErrors(t *testing.T) {
	ctx := t.Context()
	url := startServer(t, "all:"+keyAll+" reader@shop!ro:"+keyReader)
	c := newClient(t, url, keyAll, http.DefaultClient)
	want := func(got *sessions.Error, body []byte, name sessions.ErrorName) {
		t.Helper()
		if got == nil || got.Name != name || got.Message == "" {
			t.Errorf("%s, not %s", body, name)
		}
	}
	bad, err := c.GetWithResponse(ctx, "no", "-", nil)
	must(t, err)
	want(bad.JSON400, bad.Body, sessions.ErrorNameInvalidFormat)
	none, err := c.GetWithResponse(ctx, "shop", "-", nil)
	must(t, err)
	want(none.JSON401, none.Body, sessions.ErrorNameNoToken)
	visitor, err := c.AuthWithResponse(ctx, "shop", nil)
	must(t, err)
	want(visitor.JSON401, visitor.Body, sessions.ErrorNameNoSession)
	create, err := c.CreateWithBodyWithResponse(ctx, "shop", "id", &sessions.CreateParams{Ip: "::1"}, "text/plain", bytes.NewBufferString("{}"))
	must(t, err)
	want(create.JSON415, create.Body, sessions.ErrorNameUnsupportedMediaType)
	half := string(bytes.Repeat([]byte("x"), 40_000))
	session, err := c.CreateWithResponse(ctx, "shop", "id", &sessions.CreateParams{Ip: "::1"}, sessions.Data{"a": half})
	must(t, err)
	if session.JSON200 == nil {
		t.Fatalf("%s", session.Body)
	}
	set, err := c.SetWithResponse(ctx, "shop", session.JSON200.Token, nil, sessions.Data{"b": half})
	must(t, err)
	want(set.JSON413, set.Body, sessions.ErrorNameDataTooLarge)
	forbidden, err := newClient(t, url, keyReader, http.DefaultClient).KillallWithResponse(ctx, "shop")
	must(t, err)
	want(forbidden.JSON403, forbidden.Body, sessions.ErrorNameForbidden)
	unauthorized, err := newClient(t, url, "", http.DefaultClient).KillallWithResponse(ctx, "shop")
	must(t, err)
	want(unauthorized.JSON401, unauthorized.Body, sessions.ErrorNameUnauthorized)
}

// newClient makes a client that shows a key, "" for none.
func newClient(t *testing.T, url, key string, transport sessions.HttpRequestDoer) *sessions.ClientWithResponses {
	t.Helper()
	c, err := sessions.NewClientWithResponses(url, sessions.WithHTTPClient(transport), sessions.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
		return nil
	}))
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

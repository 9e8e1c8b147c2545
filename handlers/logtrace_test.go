package handlers

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// logLine sends a request with headers through the routes, and returns the line that it
// leaves in a log in JSON, and the answer's head.
func logLine(tb testing.TB, api *API, method, target, body string, headers ...string) (fields map[string]any, head string) {
	tb.Helper()
	var out bytes.Buffer
	l := NewAccessLog("json", &out, false, nil)
	text := method + " " + target + " HTTP/1.1\r\nHost: t\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	var ctx fasthttp.RequestCtx
	if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(text + "\r\n"))); err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
	if body != "" {
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.SetBodyString(body)
	}
	l.Handler(api.Handler())(&ctx)
	l.Close()
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		tb.Fatalf("%v: %s", err, out.Bytes())
	}
	return fields, ctx.Response.Header.String()
}

// TestLogNotes wants a line in JSON to name route, key and error, whichever way the
// request goes.
func TestLogNotes(t *testing.T) {
	w := serveEmbedded(t)
	token := w.create("shop", "id", "ip=::1", "")
	w.api.SetKeys(testKeys(t))
	shop, reader := with(keyShop), with(keyReader)
	head := "X-Session-Token: " + token
	for _, c := range []struct {
		method, target, body string
		headers              []string
		route, key, err      any
		status               float64
	}{
		{"GET", "/shop/get/" + token, "", []string{shop}, "/{app}/get/{token}", "shop", nil, 200},
		{"GET", "/shop/get/-", "", []string{shop, head}, "/{app}/get/{token}", "shop", nil, 200},
		{"GET", "/shop/get/-", "", []string{shop}, "/{app}/get/{token}", "shop", "noToken", 401},
		{"GET", "/shop/Get/" + token + "/", "", []string{shop}, "/{app}/get/{token}", "shop", nil, 200},
		{"GET", "/sh%6fp/get/" + token, "", []string{shop}, "/{app}/get/{token}", "shop", nil, 200},
		{"GET", "/shop/get/" + token, "", nil, "/{app}/get/{token}", nil, "unauthorized", 401},
		{"GET", "/shop/get/" + token, "", []string{with(keyShop + "x")}, "/{app}/get/{token}", nil, "unauthorized", 401},
		{"GET", "/news/get/" + token, "", []string{shop}, "/{app}/get/{token}", "shop", "forbidden", 403},
		{"POST", "/shop/set/" + token, "{}", []string{reader}, "/{app}/set/{token}", "reader", "forbidden", 403},
		{"POST", "/shop/set/" + token, "{", []string{shop}, "/{app}/set/{token}", "shop", "invalidJSON", 400},
		{"POST", "/shop/set/" + token + "?if_w=9", `{"a":1}`, []string{shop}, "/{app}/set/{token}", "shop", "conflict", 409},
		{"GET", "/shop/auth/page", "", []string{shop, head}, "/{app}/auth", "shop", nil, 200},
		{"GET", "/shop/auth", "", []string{shop}, "/{app}/auth", "shop", "noSession", 401},
		{"GET", "/shop/soid/id", "", []string{shop}, "/{app}/soid/{id}", "shop", nil, 200},
		{"GET", "/shop/soid/id?limt=1", "", []string{shop}, "/{app}/soid/{id}", "shop", "unknownParameter", 400},
		{"GET", "/shop/sold/id", "", []string{shop}, "none", "shop", "notFound", 404},
		{"PATCH", "/shop/soid/id", "", []string{shop}, "none", "shop", "methodNotAllowed", 405},
		{"GET", "/", "", []string{shop}, "/", nil, nil, 200},
	} {
		line, _ := logLine(t, w.api, c.method, c.target, c.body, c.headers...)
		if line["route"] != c.route || line["key"] != c.key || line["error"] != c.err || line["status"] != c.status {
			t.Errorf("%s %s %q is logged as %v", c.method, c.target, c.headers, line)
		}
	}
	_, unechoed := logLine(t, w.api, "GET", "/shop/get/"+token, "", shop, "X-Request-Id: 7")
	if strings.Contains(strings.ToLower(unechoed), "request-id") {
		t.Errorf("the request's id is in the answer: %s", unechoed)
	}
}

// TestLogTrace wants ids of a request in its line in JSON if they are valid.
func TestLogTrace(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const valid = "00-" + trace + "-" + span + "-01"
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	for _, c := range []struct {
		header               string
		request, trace, span any
	}{
		{"X-Request-Id: 4f9f0b6c-8a37-4f6e-9d62-3c2a4ffab0b1", "4f9f0b6c-8a37-4f6e-9d62-3c2a4ffab0b1", nil, nil},
		{"x-request-id: a\"\\<b>", `a"\<b>`, nil, nil},
		{"X-Request-Id: " + strings.Repeat("ab-c", 32), strings.Repeat("ab-c", 32), nil, nil},
		{"X-Request-Id: " + strings.Repeat("ab-c", 32) + "d", nil, nil, nil},
		{"X-Request-Id: " + logToken, logToken[:6] + "...", nil, nil},
		{"X-Request-Id: a b", nil, nil, nil},
		{"X-Request-Id: a\xc2\x9bb", nil, nil, nil},
		{"X-Request-Id:", nil, nil, nil},
		{"traceparent: " + valid, nil, trace, span},
		{"Traceparent: cc" + valid[2:], nil, trace, span},
		{"traceparent: cc" + valid[2:] + "-more", nil, trace, span},
		{"traceparent: cc" + valid[2:] + "more", nil, nil, nil},
		{"traceparent: " + valid + "-more", nil, nil, nil},
		{"traceparent: ff" + valid[2:], nil, nil, nil},
		{"traceparent: 0g" + valid[2:], nil, nil, nil},
		{"traceparent: " + strings.ToUpper(valid), nil, nil, nil},
		{"traceparent: " + valid[:54], nil, nil, nil},
		{"traceparent: " + valid[:54] + "x", nil, nil, nil},
		{"traceparent: " + strings.ReplaceAll(valid, "-", "_"), nil, nil, nil},
		{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + span + "-01", nil, nil, nil},
		{"traceparent: 00-" + trace + "-" + strings.Repeat("0", 16) + "-01", nil, nil, nil},
		{"traceparent: ", nil, nil, nil},
	} {
		line, _ := logLine(t, api, "GET", "/", "", c.header)
		if line["request_id"] != c.request || line["trace_id"] != c.trace || line["span_id"] != c.span {
			t.Errorf("%q is logged as %v", c.header, line)
		}
	}
}

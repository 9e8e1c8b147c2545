package handlers

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/sources"
	"rest-sessions/internal/pseudonym"
)

// testHider has pseudonyms that a test can write: (alice) stands for that of alice.
func testHider(t *testing.T) (h *hider, shown func(string) string) {
	t.Helper()
	m, err := pseudonym.New("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	return newHider(m), func(text string) string {
		var b strings.Builder
		for text != "" {
			before, rest, ok := strings.Cut(text, "(")
			b.WriteString(before)
			if text = rest; ok {
				var value string
				value, text, _ = strings.Cut(rest, ")")
				b.WriteString(m.Text(value))
			}
		}
		return b.String()
	}
}

func TestHideTarget(t *testing.T) {
	h, shown := testHider(t)
	for target, want := range map[string]string{
		"/shop/create/alice?ip=10.0.0.7&ttl=3600&no_resave=true": "/shop/create/(alice)?ip=(10.0.0.7)&ttl=3600&no_resave=true",
		"/shop/create/%61lice?i%70=10.0.0.7":                     "/shop/create/(alice)?ip=(10.0.0.7)",
		"/shop/create/a+b?id=a+b":                                "/shop/create/(a+b)?id=(a b)",
		"/shop/create/a%2Fb%zz":                                  "/shop/create/(a%2Fb%zz)",
		"/shop/get/-":                                            "/shop/get/-",
		"/shop/get/" + logToken:                                  "/shop/get/(" + logToken + ")",
		"/Shop/GET/" + logToken + "/":                            "/Shop/GET/(" + logToken + ")/",
		"/sh%6fp/soid/alice?limit=10&cursor=abc":                 "/sh%6fp/soid/(alice)?limit=10&cursor=(abc)",
		"/shop/killsoid/alice?except=-":                          "/shop/killsoid/(alice)?except=-",
		"/shop/killsoid/alice?handle=abc":                        "/shop/killsoid/(alice)?handle=(abc)",
		"/shop/rotate/-?id=alice&grace=&max_sessions=3":          "/shop/rotate/-?id=(alice)&grace=&max_sessions=3",
		"/shop/activity?dt=600&with=handle,expires":              "/shop/activity?dt=600&with=handle,expires",
		"/shop/activity?dt=0123456789012345&ttl=-1&touch=no":     "/shop/activity?dt=(0123456789012345)&ttl=(-1)&touch=(no)",
		"/shop/activity?dt=alice&with=handle,alice&ttl":          "/shop/activity?dt=(alice)&with=(handle,alice)&ttl",
		"/shop/activity?alice=600&_=alice&&=alice":               "/shop/activity?(alice)=(600)&(_)=(alice)&&=(alice)",
		"/shop/auth":                         "/shop/auth",
		"/shop/auth/users/alice?data=name":   "/shop/auth/(users)/(alice)?data=(name)",
		"/a/create/alice":                    "/(a)/create/(alice)",
		"/shop/create":                       "/(shop)/(create)",
		"/shop/craete/alice":                 "/(shop)/(craete)/(alice)",
		"/shop/killall/alice":                "/(shop)/(killall)/(alice)",
		"/shop/create/alice/x":               "/shop/create/(alice)/(x)",
		"/alice":                             "/(alice)",
		"//alice//":                          "//(alice)//",
		"":                                   "",
		"*":                                  "*",
		"alice":                              "(alice)",
		"http://10.0.0.7:80/shop/soid/alice": "http://(10.0.0.7:80)/shop/soid/(alice)",
		"HTTPS://alice":                      "HTTPS://(alice)",
		"ftp://alice/x":                      "(ftp://alice/x)",
		"/shop/soid/?ip=http://a/b?c":        "/(shop)/(soid)/?ip=(http://a/b?c)",
	} {
		if got := string(h.appendTarget(nil, []byte(target))); got != shown(want) {
			t.Errorf("%s is shown as\n%s, not\n%s", target, got, shown(want))
		}
	}
}

// TestHideShowsRoutes wants the path of each route to be read in the log.
func TestHideShowsRoutes(t *testing.T) {
	h, shown := testHider(t)
	api := New(still(), Options{Metrics: NewMetrics("test"), Logf: t.Logf})
	api.Handler()
	for _, r := range api.routes {
		path := strings.NewReplacer("{file}", "main.js", "{app}", "shop", "{id}", "alice", "{token}", logToken).Replace(r.path)
		want := shown(strings.NewReplacer("{file}", "main.js", "{app}", "shop", "{id}", "(alice)", "{token}", "("+logToken+")").Replace(r.path))
		if got := string(h.appendTarget(nil, []byte(path))); got != want {
			t.Errorf("%s is shown as %s, not %s: plainPaths may lack it", r.path, got, want)
		}
	}
}

func TestHideHeaders(t *testing.T) {
	h, shown := testHider(t)
	for id, want := range map[string]string{
		"8d1f2c":                               "(8d1f2c)",
		"4f9f0b6c-8a37-4f6e-9d62-3c2a4ffab0b1": "4f9f0b6c-8a37-4f6e-9d62-3c2a4ffab0b1",
		"4f9f0b6c8a374f6e9d623c2a4ffab0b1":     "4f9f0b6c8a374f6e9d623c2a4ffab0b1",
		"4f9f0b6c8a37-4f6e-9d62-3c2a4ffab0b1-": "(4f9f0b6c8a37-4f6e-9d62-3c2a4ffab0b1-)",
		"4f9f0b6c8a374f6e9d623c2a4ffab0bx":     "(4f9f0b6c8a374f6e9d623c2a4ffab0bx)",
	} {
		if got := string(h.appendRequestID(nil, []byte(id))); got != shown(want) {
			t.Errorf("X-Request-Id %s is shown as %s, not %s", id, got, shown(want))
		}
	}
	if got := string(h.appendHeader(nil, nil)); got != "" {
		t.Errorf("no header is shown as %s", got)
	}
	for method, want := range map[string]string{"GET": "GET", "get": "(get)", "ALICE": "(ALICE)"} {
		if got := string(h.appendMethod(nil, []byte(method))); got != shown(want) {
			t.Errorf("%s is shown as %s", method, got)
		}
	}
}

// TestHideAddresses: the whole address of IPv6 stands for the client, as for IPv4, and a
// source is the network.
func TestHideAddresses(t *testing.T) {
	h, shown := testHider(t)
	var log safeLog
	table := sources.New(sources.Options{MissWarn: 1, Logf: log.printf, Pseudonyms: h.Maker})
	for _, c := range []struct {
		addr           net.Addr
		remote, source string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}, "(192.0.2.7)", "(192.0.2.7)"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2::9")}, "(2001:db8:1:2::9)", "(2001:db8:1:2::/64)"},
		{&net.UnixAddr{Net: "unix"}, "-", "a client on the Unix socket"},
	} {
		var ctx fasthttp.RequestCtx
		ctx.Init(&fasthttp.Request{}, c.addr, nil)
		e := &logEntry{ctx: &ctx, hide: h}
		if got := string(e.appendRemote(nil)); got != shown(c.remote) {
			t.Errorf("%v is shown as %s", c.addr, got)
		}
		table.Missed(sources.Of(c.addr), time.Now())
		if want := "warning: " + shown(c.source) + " asked for"; !strings.Contains(log.String(), want) {
			t.Errorf("the source %v: no %s in\n%s", c.addr, want, log.String())
		}
	}
}

package handlers

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"rest-sessions/store"
	"rest-sessions/store/embedded"
)

// serveMoving starts a server on an embedded store, and returns a function that
// moves its clock by seconds.
func serveMoving(t *testing.T) (*site, func(seconds int64)) {
	var now atomic.Int64
	now.Store(1_700_000_000)
	w := serve(t, embedded.New(embedded.Options{Now: now.Load}))
	return w, func(seconds int64) { now.Add(seconds) }
}

// rotate gives a session a new token and returns it.
func (w *site) rotate(path string) string {
	w.tb.Helper()
	a := w.do("POST", path, "")
	var reply struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || a.status != 200 || !store.ValidToken(reply.Token) {
		w.tb.Fatalf("rotate: %d %s", a.status, a.body)
	}
	w.expect(a, 200, `{"token":"`+reply.Token+`"}`)
	return reply.Token
}

func TestMaxAge(t *testing.T) {
	w, pass := serveMoving(t)
	token := w.create("app", "id", "ip=::1&ttl=100&max_age=150", `{"a":1}`)
	for _, idle := range []string{"0", "80", "70"} {
		seconds, _ := strconv.ParseInt(idle, 10, 64)
		pass(seconds)
		a := w.do("GET", "/app/get/"+token, "")
		if !strings.Contains(a.body, `,"w":1,"ttl":100,"idle":`+idle+`,"ip":"::1","d":{"a":1}}`) {
			t.Errorf("answered %s", a.body)
		}
	}
	pass(1)
	w.expect(w.do("GET", "/app/get/"+token, ""), 200, "{}")
	w.expect(w.do("POST", "/app/set/"+token, `{"a":2}`), 200, "{}")
	w.expect(w.do("POST", "/app/rotate/"+token, ""), 200, "{}")
	w.expect(w.do("DELETE", "/app/kill/"+token, ""), 200, `{"kill":0}`)
	w.expect(w.do("GET", "/app/soid/id", ""), 200, `{"sessions":[]}`)
	w.expect(w.do("GET", "/app/soapp?dt=600", ""), 200, `{"sessions":[]}`)
	w.expect(w.do("DELETE", "/app/killsoid/id", ""), 200, `{"kill":0}`)
}

func TestMaxSessions(t *testing.T) {
	w, pass := serveMoving(t)
	var tokens []string
	for range 4 {
		tokens = append(tokens, w.create("app", "id", "ip=::1", ""))
		pass(1)
	}
	w.do("GET", "/app/get/"+tokens[0], "")
	tokens = append(tokens, w.create("app", "id", "ip=::1&max_sessions=3", ""))
	for i, token := range tokens {
		if got, want := w.do("GET", "/app/get/"+token, "").body == "{}", i == 1 || i == 2; got != want {
			t.Errorf("session %d: ended %v, want %v", i, got, want)
		}
	}
}

func TestKillOthers(t *testing.T) {
	w := serveEmbedded(t)
	kept := w.create("app", "a%2Fb", "ip=::1", "")
	for range 3 {
		w.create("app", "a%2Fb", "ip=::2", "")
	}
	w.expect(w.do("DELETE", "/app/killsoid/a%2Fb?except="+kept, ""), 200, `{"kill":3}`)
	w.expect(w.do("DELETE", "/app/killsoid/a%2Fb?except="+kept, ""), 200, `{"kill":0}`)
	w.expect(w.do("GET", "/app/soid/a%2Fb", ""), 200, `{"sessions":[{"id":"a/b","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1"}]}`)
	w.expect(w.do("DELETE", "/app/killsoid/a%2Fb?except="+aToken, ""), 200, `{"kill":1}`)
}

func TestRotate(t *testing.T) {
	w, pass := serveMoving(t)
	w.expect(w.do("POST", "/app/rotate/"+aToken, ""), 200, "{}")
	old := w.create("app", "id", "ip=::1", `{"a":1}`)
	w.expect(w.do("POST", "/other/rotate/"+old, ""), 200, "{}")
	pass(5)
	fresh := w.rotate("/app/rotate/" + old)
	if fresh == old || store.TokenBucket(fresh) != store.TokenBucket(old) {
		t.Errorf("%s became %s", old, fresh)
	}
	w.expect(w.do("GET", "/app/get/"+fresh, ""), 200, `{"id":"id","r":1,"w":1,"ttl":7200,"idle":0,"ip":"::1","d":{"a":1}}`)
	pass(store.DefaultGrace)
	w.expect(w.do("GET", "/app/get/"+old, ""), 200, `{"id":"id","r":2,"w":1,"ttl":7200,"idle":10,"ip":"::1","d":{"a":1}}`)
	w.expect(w.do("POST", "/app/set/"+old, `{"a":2}`), 200, `{"id":"id","r":3,"w":2,"ttl":7200,"idle":0,"ip":"::1","d":{"a":2}}`)
	if again := w.rotate("/app/rotate/" + old + "?grace=0"); again != fresh {
		t.Errorf("an old token makes %s, not %s", again, fresh)
	}
	pass(1)
	for _, path := range []string{"GET /app/get/" + old, "POST /app/rotate/" + old} {
		method, path, _ := strings.Cut(path, " ")
		w.expect(w.do(method, path, ""), 200, "{}")
	}

	last := w.rotate("/app/rotate/" + fresh + "?grace=0")
	w.expect(w.do("GET", "/app/get/"+fresh, ""), 200, "{}")
	newest := w.rotate("/app/rotate/" + last + "?grace=60")
	pass(60)
	w.expect(w.do("DELETE", "/app/kill/"+last, ""), 200, `{"kill":1}`)
	w.expect(w.do("GET", "/app/get/"+newest, ""), 200, "{}")
}

// FuzzQueryParameters holds what is read from a query against net/url's reading: a
// number is read whole and in its range, or refused; and except names a whole token,
// is not there, or is refused, so that for no text all sessions end by mistake.
func FuzzQueryParameters(f *testing.F) {
	for _, text := range []string{
		"", "0", "9", "10", "60", "61", "100", "101", "007", "1e2", "+10", "-1", " 10", "0x1f", "10.0", "999999999999999",
		"1000000000000000", "18446744073709551626", "%31%30", "10&ttl=10", "&except", "&except=", "&except=" + aToken,
		"&except=%41" + aToken[1:], "&except=" + aToken + "&except=" + aToken, "&Except=x", "&except=%zz", "&%65xcept=x",
	} {
		f.Add(text)
	}
	digits := regexp.MustCompile(`^[0-9]+$`)
	numbers := []struct {
		name              string
		read              func(*fasthttp.RequestCtx) (int64, error)
		least, most, none int64
	}{
		{"ttl", queryTTL, store.MinTTL, store.MaxTTL, store.DefaultTTL},
		{"max_age", queryMaxAge, store.MinTTL, store.MaxTTL, 0},
		{"max_sessions", func(ctx *fasthttp.RequestCtx) (int64, error) {
			n, err := queryMaxSessions(ctx)
			return int64(n), err
		}, 1, store.MaxUserSessions, 0},
		{"grace", queryGrace, 0, store.MaxGrace, store.DefaultGrace},
		{"dt", queryDT, store.MinActivity, store.MaxTTL, -1},
	}
	api := New(still(), Options{Logf: f.Logf})
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "#") {
			return // ends the query
		}
		for _, p := range numbers {
			query := p.name + "=" + text
			values, err := url.ParseQuery(query)
			if err != nil {
				continue
			}
			var ctx fasthttp.RequestCtx
			ctx.Request.SetRequestURI("/?")
			ctx.URI().SetQueryString(query)

			got, gotErr := p.read(&ctx)
			all, want := values[p.name], int64(0)
			ok := len(all) == 1
			if ok && all[0] == "" && p.none >= 0 {
				want = p.none
			} else if ok {
				want, err = strconv.ParseInt(all[0], 10, 64)
				ok = err == nil && digits.MatchString(all[0]) && want >= p.least && want <= p.most
			}
			if ok != (gotErr == nil) || ok && got != want {
				t.Errorf("%q: %d, %v, want %d, %v", query, got, gotErr, want, ok)
			}

			token, gotErr := api.queryExcept(&ctx)
			switch all := values["except"]; {
			case len(all) == 0:
				ok = token == "" && gotErr == nil
			case len(all) == 1 && store.ValidToken(all[0]):
				ok = token == all[0] && gotErr == nil
			default:
				ok = gotErr != nil
			}
			if !ok {
				t.Errorf("%q: except is %q, %v", query, token, gotErr)
			}
		}
	})
}

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/handlers"
	"rest-sessions/internal/redistest"
)

// send sends text on a connection of its own and returns all that comes back.
func (p *process) send(text string) string {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(conn)
	if err != nil && len(got) == 0 {
		p.t.Errorf("%.60q: %v", text, err)
	}
	return string(got)
}

// authorized sends a request with a key.
func (p *process) authorized(key, method, path, body string) (int, string) {
	p.t.Helper()
	text := p.send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, key, len(body), body))
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		p.t.Fatalf("%s: %v", path, err)
	}
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// hostileSession uses a token and keys as clients do that are right, wrong or broken.
// key is one that the server has, wrong one that it has not.
func hostileSession(p *process, token, key, wrong string) {
	escaped := "%" + strconv.FormatInt(int64(token[0]), 16) + token[1:]
	for _, k := range []string{key, wrong} {
		for _, target := range []string{
			"/app/get/" + token, "/app/get/" + escaped, "/app/get/" + token + "?key=" + k, "/app/get/" + token + k,
			"/app/get/" + token + "-", "/app/get/x" + token, "/app/get/" + token + "/", "/" + token + "/get/" + token,
			"/app/kill/" + token, "/app/soid/" + token, "/" + token, "/nowhere?token=" + token + "&access_token=" + k,
			"http://" + token + ".example/app/get/" + token, "/app/get/" + token + "#" + k, "*" + token, "/app/get/" + token + "%zz",
		} {
			for method, head := range map[string]string{
				"GET":    "Authorization: Bearer " + k,
				"POST":   "Authorization: Bearer " + k + "\r\nReferer: http://site/app/get/" + token + "?key=" + k + "\r\nUser-Agent: " + token,
				"DELETE": "Authorization: " + k + "\r\nCookie: sid=" + token + "; key=" + k,
				token:    "Authorization: Bearer " + k,
			} {
				p.send(method + " " + target + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + head + "\r\n\r\n")
			}
		}
		for _, head := range []string{
			"X-Session-Token: " + token, "Cookie: a=" + k + "; sid=\"" + token + "\"", // right, and then wrong
			"X-Session-Token: " + token + k, "X-Session-Token: " + token + "\r\nX-Session-Token: " + k, "X-Session-Token:\r\nCookie: sid=" + token,
			"Cookie: sid=" + token + "; sid=" + token[1:], "Cookie: sid=" + token + k, "Cookie: sid=\"" + token, "Cookie: " + token + "=" + token,
			"X_Session_Token: " + token, "X-Session-Token " + token, "X-Session-Token: " + token + "\r\n " + token, "Cookie: sid=" + token + "\x00",
		} {
			for _, r := range [][2]string{{"GET", "/get/-"}, {"GET", "/get/%2D?key=" + k}, {"POST", "/set/-"}, {"POST", "/rotate/-?grace=" + token}, {"DELETE", "/killsoid/no?except=-"}, {"GET", "/nowhere/-"}, {"PATCH", "/get/-"}} {
				p.send(r[0] + " /app" + r[1] + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer " + k + "\r\n" + head + "\r\n\r\n")
			}
		}
		good := "GET /app/get/" + token + " HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + k + "\r\n"
		for _, broken := range []string{
			good, good + "\x00\r\n\r\n", good + "nonsense\r\n\r\n", good + "Host: u\r\n\r\n", good + " folded: x\r\n\r\n",
			strings.Replace(good, " HTTP/1.1", "", 1) + "\r\n", strings.Replace(good, "1.1", token, 1) + "\r\n",
			strings.Replace(good, "GET ", "", 1) + "\r\n", strings.Replace(good, "GET", "G\x01T", 1) + "\r\n",
			strings.Replace(good, "/app", "/\x01", 1) + "\r\n", token + k + "\r\n\r\n", k,
			good + "X: " + strings.Repeat(token, 200) + "\r\n\r\n", good + "Content-Length: " + token + "\r\n\r\n",
			good + "Transfer-Encoding: " + k + "\r\n\r\n", good + "Transfer-Encoding: chunked\r\n\r\n" + token + "\r\n",
		} {
			p.send(broken)
		}
		for _, body := range []string{`{"token":"` + token + `"}`, `{"` + token + `":{}}`, `{"key":"` + k + `"`, token} {
			p.authorized(k, "POST", "/app/set/"+token, body)
			p.authorized(k, "PUT", "/app/create/id?ip="+token, body)
			p.authorized(k, "PUT", "/app/create/id?ip=::1&ttl="+k, body)
		}
	}
}

// shows returns a part of a secret, of 12 characters, that a text has; "" if none.
func shows(text, secret string) string {
	for i := range len(secret) - 12 {
		if strings.Contains(text, secret[i:i+12]) {
			return secret[i : i+12]
		}
	}
	return ""
}

// TestSecretsStayIn reads everything that a server printed, and its metrics, after
// clients did all they could to have it print a token or a key.
func TestSecretsStayIn(t *testing.T) {
	const wrong = "wrongWRONG9876543210zyxwvutsrqponmlkjihgfedcba"
	check := func(p *process, token string) {
		t.Helper()
		_, metrics := p.do("GET", "/metrics")
		p.cmd.Process.Signal(syscall.SIGINT)
		p.wait()
		for what, text := range map[string]string{"standard output": p.output(), "standard error": p.log(), "/metrics": metrics} {
			for _, secret := range []string{token, oldKey, newKey, wrong} {
				if part := shows(text, secret); part != "" {
					line := regexp.MustCompile(`(?m)^.*` + part + `.*$`).FindString(text)
					t.Errorf("%s shows %s of %s:\n%s", what, part, secret, line)
				}
			}
		}
		if len(p.output()) == 0 || !strings.Contains(p.log(), "sends requests without a valid API key") || !strings.Contains(metrics, "rest_sessions_refused_total") {
			t.Error("nothing was printed")
		}
	}
	keys := "RS_API_KEYS=a:" + oldKey + " b@other!ro:" + newKey
	for _, format := range handlers.LogFormats() {
		t.Run(format, func(t *testing.T) {
			p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL="+format, keys)
			token := p.newToken(oldKey)
			if answer := p.send("GET /app/get/- HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer " + oldKey + "\r\nX-Session-Token: " + token + "\r\n\r\n"); !strings.Contains(answer, `"id":"id"`) {
				t.Errorf("by the header the session is %s", answer)
			}
			p.authorized(newKey, "GET", "/app/get/"+token+"?key="+newKey, "")
			hostileSession(p, token, oldKey, wrong)
			check(p, token)
		})
	}
	// A Redis that has what it should not, and then is gone.
	t.Run("redis", func(t *testing.T) {
		redis := redistest.Start(t)
		p := start(t, "RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(redis.Port()), "RS_LOGLEVEL=dev", keys)
		token := p.newToken(oldKey)
		redis.Do(t, "SET", "drs:app:"+token, token)
		for _, r := range [][2]string{{"GET", "/app/get/"}, {"POST", "/app/set/"}, {"DELETE", "/app/kill/"}} {
			if status, _ := p.authorized(oldKey, r[0], r[1]+token, `{"a":1}`); status == 200 && r[0] != "DELETE" {
				t.Errorf("%s of what is no session is %d", r[1], status)
			}
		}
		redis.Stop()
		hostileSession(p, token, oldKey, wrong)
		check(p, token)
	})
}

// newToken starts a session once the server is ready, and returns its token.
func (p *process) newToken(key string) string {
	p.t.Helper()
	p.awaitReady()
	_, body := p.authorized(key, "PUT", "/app/create/id?ip=::1", "{}")
	token := regexp.MustCompile(`[A-Za-z0-9]{64}`).FindString(body)
	if token == "" {
		p.t.Fatalf("create answered %s", body)
	}
	return token
}

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-json"

	"rest-sessions/handlers"
	"rest-sessions/internal/pseudonym"
	"rest-sessions/internal/redistest"
)

const (
	// markedPeer is the address that the requests of these tests come from.
	markedPeer = "127.77.66.55"
	idsKey     = "0123456789abcdefKEY!KEY!KEY!KEY!"
)

// marked finds what stands for the id or the address of a user.
var marked = regexp.MustCompile(`(?i)m[aä]rker|127\.77\.66\.55|203\.0\.113\.77|2001:db8:77`)

// markedIDs are ways to write ids in a path.
var markedIDs = []string{"Marker", "%4darker", "M%41RKER-7@x.example", "a%2FMarker+b", "M%C3%A4rker", "%254Darker", "Marker%zz"}

// escapes are those that URLs and our logs have.
var escapes = regexp.MustCompile(`(?i)(?:%|\\x|\\u00)([0-9a-f]{2})`)

// unescaped undoes escapes, also one of another.
func unescaped(text string) string {
	for range 2 {
		text = escapes.ReplaceAllStringFunc(text, func(escape string) string {
			n, _ := strconv.ParseUint(escape[len(escape)-2:], 16, 8)
			return string([]byte{byte(n)})
		})
	}
	return text
}

// sendMarked sends text from markedPeer and waits for the end of the answer.
func (p *process) sendMarked(text string) {
	p.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(markedPeer)}}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
}

// markedRequests are requests with ids and addresses in every place that they have.
func (p *process) markedRequests(token string) (texts []string) {
	p.t.Helper()
	heads := []string{
		"X-Session-Token: " + token + "\r\nX-Request-Id: Marker\r\n",
		"X-Session-Token: Marker\r\nCookie: sid=Marker; id=Marker\r\nReferer: http://Marker.example/%4darker?ip=203.0.113.77\r\nUser-Agent: Marker/2001:db8:77::1 (M\u00e4rker)\r\n",
		"Cookie: sid=" + token + "\r\nX-Forwarded-For: 203.0.113.77\r\nForwarded: for=203.0.113.77\r\nX-Real-IP: 203.0.113.77\r\nTraceparent: Marker\r\nAuthorization: Bearer Marker\r\n",
	}
	add := func(method, target, body string) {
		head := heads[len(texts)%len(heads)]
		if body != "" {
			head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
		}
		texts = append(texts, method+" "+target+" HTTP/1.1\r\nHost: Marker.example\r\nConnection: close\r\n"+head+"\r\n"+body)
	}
	_, text := p.do("GET", "/openapi.json")
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Paths) < 12 {
		p.t.Fatalf("%v: the paths are %v", err, document.Paths)
	}
	queries := []string{"", "?ip=203.0.113.77", "?ip=2001:db8:77::7&ttl=60&with=handle", "?id=%4Darker&ip=203.0.113.77&_=Marker", "?ttl=Marker&dt=203.0.113.77",
		"?Marker=1&%4darker", "?ip=%zzMarker&id=M%41rker", "?handle=Marker&except=Marker", "?except=-&limit=Marker", "?limit=1&cursor=Marker", "?data=Marker,name", "?w%69th=Marker&i%70=203.0.113.77"}
	n := 0
	for path, methods := range document.Paths {
		for method := range methods {
			method = strings.ToUpper(method)
			seen := map[string]bool{} // most paths have no id, and many no token
			for _, id := range markedIDs {
				for _, token := range []string{token, "-", id} {
					target := strings.NewReplacer("{app}", "app", "{id}", id, "{token}", token).Replace(path)
					if !seen[target] {
						seen[target] = true
						n++
						add(method, target+queries[n%len(queries)], "")
					}
				}
			}
			add(method, strings.ToUpper(strings.NewReplacer("{app}", "app", "{id}", "Marker", "{token}", "-").Replace(path))+"/", `{"Marker":"203.0.113.77"}`)
			add("MARKER", strings.NewReplacer("{app}", "app", "{id}", "Marker", "{token}", token).Replace(path), "")
		}
	}
	for _, query := range queries {
		add("POST", "/app/rotate/"+token+query, "")
		add("PUT", "/app/create/Marker"+query, "")
		add("GET", "/app/soid/Marker"+query, "")
	}
	for _, body := range []string{`{"Marker":"203.0.113.77"}`, `{"id":Marker}`, `{"Marker`, `["Marker"]`, `Marker`, "\xffMarker"} {
		add("PUT", "/app/create/Marker?ip=203.0.113.77", body)
		add("POST", "/app/set/-", body)
	}
	for _, target := range []string{
		"/Marker", "/marker/", "//Marker//", "/Marker/create", "/Marker/Marker/Marker", "/app/craete/Marker?ip=203.0.113.77", "/app/create/Marker/Marker",
		"/app/create/", "/create/Marker", "/app/auth/users/Marker?id=Marker", "/app/soid/Marker#Marker", "/app/soid/x;id=Marker", "/app/%63reate/Marker",
		"/%4darker%2Fcreate/x", "/app/soid/Marker%", "/openapi.json?Marker", "/ping/Marker", "/metrics?Marker=Marker", "/metrics/Marker", "/?id=Marker",
		"http://Marker.example/app/soid/Marker?ip=203.0.113.77", "https://203.0.113.77", "HTTP://203.0.113.77/Marker", "http://u:Marker@x/", "Marker", "*Marker", "Marker://x/y", "/app/soid/" + strings.Repeat("Marker", 2000),
	} {
		for _, method := range []string{"GET", "PUT", "OPTIONS", "CONNECT", "Marker"} {
			add(method, target, "")
		}
	}
	good := "GET /app/soid/Marker HTTP/1.1\r\nHost: t\r\n"
	return append(texts, "Marker\r\n\r\n", good, good+"Marker\r\n\r\n", good+"Content-Length: Marker\r\n\r\n", good+" Marker: x\r\n\r\n",
		strings.Replace(good, "1.1", "Marker", 1)+"\r\n", strings.Replace(good, "/app", "/\x01", 1)+"\r\n", good+"Content-Length: 60001\r\n\r\nMarker",
		good+"Expect: Marker\r\n\r\n", good+"Transfer-Encoding: Marker\r\n\r\n", good+"X: "+strings.Repeat("Marker", 2000)+"\r\n\r\n")
}

// ended ends the server, and returns the lines with a mark, and what it printed.
func (p *process) ended() (marks []string, stdout, stderr string) {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGINT)
	p.wait()
	stdout, stderr = p.output(), p.log()
	for line := range strings.Lines(stdout + stderr) {
		if marked.MatchString(unescaped(line)) {
			marks = append(marks, line)
		}
	}
	return marks, stdout, stderr
}

// TestIDsStayIn reads all that servers with RS_LOG_IDS=hash print, in each format, of
// requests with ids and addresses in every place, and wants none of them there.
func TestIDsStayIn(t *testing.T) {
	ids, err := pseudonym.New(idsKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range slices.Concat(handlers.LogFormats(), []string{"none"}) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL="+format, "RS_MISS_WARN=1", "RS_LOG_IDS=hash", "RS_LOG_IDS_KEY="+idsKey)
			requests := p.markedRequests(p.newToken(""))
			for _, text := range requests {
				p.sendMarked(text)
			}
			marks, stdout, stderr := p.ended()
			if len(marks) > 0 {
				t.Errorf("%d lines show an id or an address, such as\n%s", len(marks), strings.Join(marks[:min(20, len(marks))], ""))
			}
			if !strings.Contains(stderr, "WARN "+ids.Text(markedPeer)+" asked for 1 tokens") && !strings.Contains(stderr, `"msg":"`+ids.Text(markedPeer)+` asked for 1 tokens`) {
				t.Errorf("no line about misses of %s:\n%s", ids.Text(markedPeer), stderr)
			}
			if format == "none" {
				return
			}
			if n := strings.Count(stdout, "\n"); n < len(requests)*2/3 {
				t.Errorf("%d requests left %d lines", len(requests), n)
			}
			if want := "/app/soid/" + ids.Text("Marker") + "?limit=1&cursor=" + ids.Text("Marker"); !strings.Contains(stdout, want) {
				t.Errorf("no line has %s", want)
			}
			if remote := format != "dev" && format != "tiny"; remote != strings.Contains(stdout, ids.Text(markedPeer)) {
				t.Errorf("is the address there, as %s: %v", ids.Text(markedPeer), !remote)
			}
		})
	}
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		p := start(t, "RS_STORE=embedded", "RS_LOGLEVEL=combined", "RS_MISS_WARN=1")
		requests := p.markedRequests(p.newToken(""))
		for _, text := range requests {
			p.sendMarked(text)
		}
		// This shows that the test would see what it looks for.
		if marks, stdout, _ := p.ended(); len(marks) < strings.Count(stdout, "\n")*9/10 {
			t.Errorf("of %d lines only %d show an id or an address", strings.Count(stdout, "\n"), len(marks))
		}
	})
}

// TestIDsOfRedisStayIn wants no id in what is said of a Redis that has what it should
// not, and of one that does not know a command.
func TestIDsOfRedisStayIn(t *testing.T) {
	for _, renamed := range []bool{false, true} {
		var args []string
		if renamed {
			args = []string{"--rename-command", "EVALSHA", ""}
		}
		redis := redistest.Start(t, args...)
		p := start(t, "RS_REDISHOST=127.0.0.1", "RS_REDISPORT="+strconv.Itoa(redis.Port()), "RS_LOGLEVEL=dev", "RS_LOG_IDS=hash")
		token := strings.Repeat("M", 64)
		if !renamed {
			token = p.newToken("")
		}
		routes := func() {
			for _, r := range []string{"PUT /app/create/Marker?ip=203.0.113.77&max_sessions=1", "GET /app/get/" + token, "POST /app/touch/" + token, "POST /app/rotate/" + token + "?grace=60",
				"POST /app/rotate/" + token + "?id=Marker2", "GET /app/activity?dt=60", "GET /app/soapp?dt=60", "GET /app/soapp?dt=60&limit=1", "GET /app/soid/Marker", "GET /app/soid/Marker?limit=1",
				"DELETE /app/killsoid/Marker?handle=AAAAAAAAAAAAAAAAAAAAAA", "DELETE /app/killsoid/Marker", "DELETE /app/kill/" + token, "DELETE /app/killall"} {
				p.sendMarked(r + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
			}
			body := `{"Marker":1}`
			p.sendMarked(fmt.Sprintf("POST /app/set/%s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body))
		}
		routes()
		now := strconv.FormatInt(time.Now().Unix(), 10)
		for _, wrong := range []string{"r", "w", "ttl", "la", "ip", "d", "end", "root", "m", "created", "first", "string", "index"} {
			redis.Do(t, "FLUSHALL")
			redis.Do(t, "HSET", "drs:app:"+token, "id", "Marker", "r", "1", "w", "1", "ttl", "7200", "la", now, "ip", "203.0.113.77", "d", `{"Marker":1}`)
			redis.Do(t, "ZADD", "drs:app:_sessions", now, token+":Marker")
			redis.Do(t, "ZADD", "drs:SESSIONS", now, "app:"+token+":Marker")
			redis.Do(t, "ZADD", "drs:app:_users", now, "Marker")
			redis.Do(t, "SADD", "drs:app:us:Marker", token)
			switch wrong {
			case "string":
				redis.Do(t, "SET", "drs:app:"+token, "Marker")
			case "index":
				redis.Do(t, "SET", "drs:app:us:Marker", "Marker")
				redis.Do(t, "ZADD", "drs:app:_sessions", now, "Marker")
			default:
				redis.Do(t, "HSET", "drs:app:"+token, wrong, "Marker")
			}
			routes()
		}
		marks, _, stderr := p.ended()
		if len(marks) > 0 {
			t.Errorf("%d lines show an id or an address, such as\n%s", len(marks), strings.Join(marks[:min(20, len(marks))], ""))
		}
		if !strings.Contains(stderr, " ERROR ") {
			t.Errorf("nothing went wrong:\n%s", stderr)
		}
	}
}

// TestIDsKey wants servers with one key to agree, those without to differ, and a reload
// of its file.
func TestIDsKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(p *process) string {
		t.Helper()
		before := len(p.output())
		p.expect("GET", "/app/soid/"+url.PathEscape("Jürgen"), 200, "")
		for begun := time.Now(); ; time.Sleep(time.Millisecond) {
			if m := regexp.MustCompile(`/app/soid/(\S+) 200`).FindStringSubmatch(p.output()[before:]); m != nil {
				return m[1]
			}
			if time.Since(begun) > patience {
				t.Fatalf("no line: %s", p.output())
			}
		}
	}
	write(idsKey + "\n")
	ids, _ := pseudonym.New(idsKey)
	of := func(environ ...string) *process {
		return start(t, append(environ, "RS_STORE=embedded", "RS_LOGLEVEL=tiny", "RS_LOG_IDS=hash")...)
	}
	a, b, c, d := of("RS_LOG_IDS_KEY="+idsKey), of("RS_LOG_IDS_KEY_FILE="+file), of(), of()
	if want := ids.Text("Jürgen"); shown(a) != want || shown(b) != want {
		t.Errorf("%s and %s, not %s", shown(a), shown(b), want)
	}
	if shown(c) == shown(d) || !strings.Contains(c.log(), "RS_LOG_IDS_KEY is not set") || strings.Contains(a.log(), "RS_LOG_IDS_KEY") {
		t.Errorf("%s and %s:\n%s", shown(c), shown(d), c.log())
	}
	write(strings.ToLower(idsKey))
	b.cmd.Process.Signal(syscall.SIGHUP)
	b.awaitLog("reload: the key of pseudonyms from "+file, 1)
	changed := shown(b)
	if changed == shown(a) {
		t.Error("another key changes nothing")
	}
	write("short")
	b.cmd.Process.Signal(syscall.SIGHUP)
	b.awaitLog("reload: the key of pseudonyms is as before: it must have 32 to 256 characters", 1)
	os.Remove(file)
	b.cmd.Process.Signal(syscall.SIGHUP)
	b.awaitLog("reload: the key of pseudonyms is as before: open ", 1)
	if shown(b) != changed {
		t.Error("a key that is wrong, or gone, changes what is shown")
	}
	if _, text := b.do("GET", "/metrics"); !strings.Contains(text, `rest_sessions_last_reload_successful{what="log_ids"} 0`) {
		t.Error("the metrics do not say that the reload failed")
	}
}

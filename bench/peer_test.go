package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store/redis/lua"
)

// peerConf makes nginx a server of sessions: one EVALSHA of get.lua a request, over
// connections to Redis that are kept, and the script's text is the answer.
const peerConf = `
load_module DIR_OF_MODULES/ndk_http_module.so;
load_module DIR_OF_MODULES/ngx_http_lua_module.so;
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:HTTP_PORT;
    location /APP/get/ {
      content_by_lua_block {
        local redis = require("nginx.redis"):new()
        local ok, err = redis:connect("127.0.0.1", REDIS_PORT)
        local text
        if ok then
          text, err = redis:evalsha(CALL)
        end
        if not text then
          ngx.log(ngx.ERR, err)
          return ngx.exit(503)
        end
        redis:set_keepalive(60000, 128)
        ngx.header["Content-Length"] = #text
        ngx.print(text)
      }
    }
  }
}
`

// peerCall returns the arguments of EVALSHA that read one session: those of the engine for
// a get alone.
func peerCall(sha, token string) []string {
	const keys = "bench:" + app + ":"
	return []string{sha, "4", "bench:SESSIONS", keys + "_sessions", keys + "_users", keys + token, "", app, "1", ""}
}

// TestPeerCall reads a session as the peer does.
func TestPeerCall(t *testing.T) {
	server := redistest.Start(t)
	token := seedStore(t, openRedis(t, server), 1)[0]
	text := fmt.Sprint(server.Do(t, append([]string{"EVALSHA"}, peerCall(loadGet(t, server), token)...)...))
	if !strings.Contains(text, userID(0)) {
		t.Errorf("get.lua answers %q, without the session of %s", text, userID(0))
	}
}

// peerFiles are what the peer needs beside nginx, where Debian puts it.
const (
	peerModules = "/usr/lib/nginx/modules"
	peerInstall = "apt-get install --no-install-recommends nginx libnginx-mod-http-lua lua-resty-core lua-nginx-redis"
)

var peerFiles = []string{
	"/usr/sbin/nginx", peerModules + "/ngx_http_lua_module.so",
	"/usr/share/lua/5.1/resty/core.lua", "/usr/share/lua/5.1/nginx/redis.lua",
}

// startPeer starts nginx with Lua as a server of n sessions, on a Redis of its own, and
// ends both with the benchmark. It returns nil where nginx or what it needs is not installed.
func startPeer(tb testing.TB, n int) *site {
	tb.Helper()
	for _, file := range peerFiles {
		if _, err := os.Stat(file); err != nil {
			tb.Logf("rows against nginx are left out: %v. %s", err, peerInstall)
			return nil
		}
	}
	server := redistest.Start(tb)
	tokens := seedStore(tb, openRedis(tb, server), n)
	port, err := redistest.FreePort() // nginx cannot say which free port it took
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	call := peerCall(loadGet(tb, server), "TOKEN")
	for i, argument := range call {
		before, _, isToken := strings.Cut(argument, "TOKEN")
		if call[i] = strconv.Quote(before); isToken {
			call[i] += ` .. string.sub(ngx.var.uri, #"/APP/get/" + 1)`
		}
	}
	conf := strings.NewReplacer("DIR_OF_MODULES", peerModules, "HTTP_PORT", strconv.Itoa(port),
		"REDIS_PORT", strconv.Itoa(server.Port()), "CALL", strings.Join(call, ", ")).Replace(peerConf)
	conf = strings.ReplaceAll(conf, "APP", app)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		tb.Fatal(err)
	}
	// Where this process ends before its cleanups, its children are killed: that would leave
	// nginx' workers, so nginx asks for TERM.
	master, err := redistest.StartProcess(exec.Command("setpriv", "--pdeathsig", "TERM", peerFiles[0], "-p", dir, "-c", "nginx.conf"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		master.Signal(syscall.SIGTERM) // as above
		<-master.Done
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if workers := children(master.Pid()); len(workers) == 2 {
			return &site{process{net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), master.Pid(), workers}, server, tokens}
		}
		if time.Now().After(deadline) {
			tb.Fatalf("nginx has no two workers: %s", master.Log.String())
		}
	}
}

// children returns the process ids of a process' children.
func children(pid int) (all []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, field := range strings.Fields(string(text)) {
		child, _ := strconv.Atoi(field)
		all = append(all, child)
	}
	return all
}

// loadGet loads the script that the engine runs for a get and returns its SHA.
func loadGet(tb testing.TB, server *redistest.Server) string {
	tb.Helper()
	return fmt.Sprint(server.Do(tb, "SCRIPT", "LOAD", lua.Source(lua.Files, "get")))
}

//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestFewDescriptors has 200 silent connections at a server that may open 64 files: it
// ended by that. Who has a key is served all the while, on a connection that stays and
// on new ones.
func TestFewDescriptors(t *testing.T) {
	key := strings.Repeat("0123456789abcdef", 4)
	p := command(t, nil, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none", "RS_STORE=embedded", "RS_API_KEYS=web:"+key)
	shell := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0"`, os.Args[0])
	shell.Env = p.cmd.Env
	p.cmd = shell
	p.launch()

	ask := func(client *http.Client) {
		t.Helper()
		req, _ := http.NewRequest("GET", p.url+"/app/activity?dt=60", nil)
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("a client with a key: %v", err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("a client with a key: %s", resp.Status)
		}
	}
	stays := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}
	defer stays.CloseIdleConnections()
	ask(stays)
	for i := range 200 {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.url, "http://"), patience)
		if err != nil {
			t.Fatalf("silent connection %d: %v", i, err)
		}
		defer conn.Close()
		if i%10 == 9 {
			ask(stays)
			ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience})
		}
	}
	select {
	case <-p.done:
		t.Fatalf("the server ended:\n%s", p.log())
	case <-time.After(100 * time.Millisecond):
	}
	ask(stays)
}

//go:build unix

package e2e

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// TestFewDescriptors has 200 silent connections at a server that may open 64 files, of each
// engine: it ended by that. Who has a key is served all the while, on a connection that
// stays and on new ones, also when the connections to Redis must be made anew.
func TestFewDescriptors(t *testing.T) {
	redis := redistest.Start(t)
	for _, engine := range []string{"RS_STORE=embedded", "RS_DATA=" + t.TempDir(), "RS_REDIS_URL=redis://" + redis.Addr()} {
		t.Run(strings.Split(engine, "=")[0], func(t *testing.T) {
			fewDescriptors(t, engine, func() { redis.Do(t, "CLIENT", "KILL", "TYPE", "normal") })
		})
	}
}

// fewDescriptors calls disconnect when all connections that may be open are.
func fewDescriptors(t *testing.T, engine string, disconnect func()) {
	key := strings.Repeat("0123456789abcdef", 4)
	p := command(t, nil, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_LOGLEVEL=none", longTimeout, engine, "RS_API_KEYS=web:"+key)
	shell := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0"`, program)
	shell.Env = p.cmd.Env
	p.cmd = shell
	p.launch()
	p.awaitReady()
	http.DefaultClient.CloseIdleConnections()

	if want := "may open 64 files only"; !strings.Contains(p.log(), "WARN at most 28 connections are served, since this process "+want) {
		t.Errorf("the log does not say that it %s:\n%s", want, p.log())
	}
	ask := func(client *http.Client) {
		t.Helper()
		if status, err := p.askWith(client, key); status != 200 {
			t.Errorf("a client with a key: %d, %v", status, err)
		}
	}
	// Shorter than the 5 s after which a silent connection would go by itself.
	const promptly = 4 * time.Second
	stays := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: promptly}
	defer stays.CloseIdleConnections()
	ask(stays)
	for i := range 200 {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.url, "http://"), patience)
		if err != nil {
			t.Fatalf("silent connection %d: %v", i, err)
		}
		defer conn.Close()
		if i == 100 {
			disconnect()
			// What was in flight is answered 503, and a new connection takes a moment.
			for begun := time.Now(); time.Since(begun) < patience; {
				if status, _ := p.askWith(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, key); status == 200 {
					break
				}
			}
		}
		if i%10 == 9 {
			ask(stays)
			ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: promptly})
		}
	}
	select {
	case <-p.done:
		t.Fatalf("the server ended:\n%s", p.log())
	case <-time.After(100 * time.Millisecond):
	}
	ask(stays)
}

// askWith has client ask for what the store must answer.
func (p *process) askWith(client *http.Client, key string) (status int, err error) {
	req, err := http.NewRequest("GET", p.url+"/app/activity?dt=60", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

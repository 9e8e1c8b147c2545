package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/goccy/go-json"

	"rest-sessions/store"
)

// sessions is how many sessions reads are drawn from.
const sessions = 100_000

// app is the app of all sessions.
const app = "bench"

// newSession is the session of the user i: an id of 16 bytes, an IPv4 address, no
// data.
func newSession(i int) store.New {
	return store.New{ID: userID(i), IP: "192.168.100.200", TTL: store.DefaultTTL}
}

func userID(i int) string { return fmt.Sprintf("user%012d", i) }

// sessionsOf is how many sessions the environment asks for, a million if it does not.
func sessionsOf(b *testing.B, env string) int {
	b.Helper()
	text := os.Getenv(env)
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		b.Fatalf("%s is %q; it must be a number of sessions, at least 1000", env, text)
	}
	return n
}

// seedStore starts n sessions in a store and returns their tokens.
func seedStore(tb testing.TB, s store.Store, n int) []string {
	tb.Helper()
	tokens := make([]string, n)
	var wg sync.WaitGroup
	for worker := range connections {
		wg.Go(func() {
			for i := worker; i < n; i += connections {
				session := newSession(i)
				tokens[i] = store.NewToken(session.ID)
				if _, err := s.Create(context.Background(), app, tokens[i], session); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	return tokens
}

// seedServer starts n sessions on a server and returns their tokens.
func seedServer(tb testing.TB, addr string, n int) []string {
	tb.Helper()
	return seedApp(tb, addr, app, n, newSession)
}

// seedApp starts n sessions of an app.
func seedApp(tb testing.TB, addr, app string, n int, newSession func(i int) store.New) []string {
	tb.Helper()
	tokens := make([]string, n)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for worker := range connections {
		wg.Go(func() { errs[worker] = seedPart(addr, app, tokens, worker, newSession) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return tokens
}

// seedPart starts each connections-th of the sessions, from first on.
func seedPart(addr, app string, tokens []string, first int, newSession func(i int) store.New) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for i := first; i < len(tokens); i += connections {
		session := newSession(i)
		fmt.Fprintf(conn, "PUT /%s/create/%s?ip=%s&ttl=%d HTTP/1.1\r\nHost: bench\r\n\r\n", app, session.ID, session.IP, session.TTL)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			return err
		}
		var reply struct{ Token string }
		if err := json.Unmarshal(body.Bytes(), &reply); err != nil || !store.ValidToken(reply.Token) {
			return fmt.Errorf("create answered %d %s", resp.StatusCode, body.Bytes())
		}
		tokens[i] = reply.Token
	}
	return nil
}

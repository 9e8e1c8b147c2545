package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestDrainLosesNothing ends a server that has four busy clients with connections that
// they keep: each hears Connection: close in the grace, and none waits for an answer in vain.
func TestDrainLosesNothing(t *testing.T) {
	p := start(t, "RS_STORE=embedded")
	var clients sync.WaitGroup
	warm := make(chan bool, 4)
	for range 4 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for n := 0; ; n++ {
				if n == 100 {
					warm <- true
				}
				conn.SetDeadline(time.Now().Add(patience))
				io.WriteString(conn, "GET /app/activity?dt=60 HTTP/1.1\r\nHost: t\r\n\r\n")
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Errorf("request %d was not answered: %v", n, err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				if resp.Close {
					return
				}
			}
		})
	}
	for range 4 {
		<-warm
	}
	told := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	clients.Wait()
	if took := time.Since(told); took >= drainGrace {
		t.Errorf("clients were told to close after %v, not in the grace", took)
	}
	p.wait()
}

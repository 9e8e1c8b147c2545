package client

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds the start and the end of the server.
const startTimeout = time.Minute

var listens = regexp.MustCompile(`listens on (http://[^ ,]*)`)

// startServer starts the program OPENAPI_PROGRAM on the embedded engine with API keys, and
// returns its URL. It ends with the test.
func startServer(t *testing.T, keys string) string {
	t.Helper()
	program := os.Getenv("OPENAPI_PROGRAM")
	if program == "" {
		t.Fatal("OPENAPI_PROGRAM is not set; scripts/openapi go sets it")
	}
	server := exec.Command(program)
	server.Env = []string{"RS_HOST=127.0.0.1", "RS_PORT=0", "RS_STORE=embedded", "RS_LOGLEVEL=none", "RS_API_KEYS=" + keys}
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	url, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			t.Log(lines.Text())
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // at once: TERM gives load balancers a grace
		giveUp := time.AfterFunc(startTimeout, func() { server.Process.Kill() })
		defer giveUp.Stop()
		<-ended
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	select {
	case u := <-url:
		return u
	case <-ended:
		t.Fatal("the server ended")
	case <-time.After(startTimeout):
		t.Fatal("the server does not start")
	}
	return ""
}

//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/loadtest/model"
	"rest-sessions/loadtest/site"
)

// migrate runs the subcommand and tells what it cost.
func (s *tier) migrate(binary string, args ...string) error {
	cmd := exec.Command(binary, append([]string{"migrate"}, args...)...)
	cmd.Env = site.Environment()
	cmd.Stdout, cmd.Stderr = prefixed{os.Stdout}, prefixed{os.Stdout}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	memory := 0
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			fmt.Printf("migrate took %v, at most %d MiB of memory\n", since(began), memory>>10)
			return nil
		case <-time.After(20 * time.Millisecond):
			memory = max(memory, peakMemory(cmd.Process.Pid))
		}
	}
}

// peakMemory is the most resident memory that a process had up to now, in KiB. (That
// of its rusage is ours, if we had more when it began.)
func peakMemory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n := 0
	fmt.Sscan(rest, &n)
	return n
}

// prefixed sets lines of another process off.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		fmt.Fprint(p.w, "  | ", line)
	}
	return len(b), nil
}

// client is an HTTP client of one server.
type client struct{ *fasthttp.HostClient }

func newClient(url string) client {
	return client{&fasthttp.HostClient{
		Addr: strings.TrimPrefix(url, "http://"), DisablePathNormalizing: true,
		// Nothing is sent again: a read would count twice.
		MaxIdemponentCallAttempts: 1, RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second, MaxIdleConnDuration: time.Minute,
	}}
}

func (c client) ask(url string, r *model.Request) (status int, body []byte, took time.Duration, err error) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.URI().DisablePathNormalizing = true
	request.SetRequestURI(url + r.Path)
	request.Header.SetMethod(r.Method)
	if r.Body != nil {
		request.Header.SetContentType("application/json")
		request.SetBody(r.Body)
	}
	began := time.Now()
	err = c.Do(request, response)
	return response.StatusCode(), append([]byte(nil), response.Body()...), time.Since(began), err
}

func summary(times [][]time.Duration, took time.Duration, err error) served {
	all := slices.Concat(times...)
	slices.Sort(all)
	s := served{requests: len(all), took: took, err: err}
	if len(all) > 0 {
		s.slowest, s.p99 = all[len(all)-1], all[len(all)*99/100]
	}
	return s
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

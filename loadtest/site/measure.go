//go:build linux

package site

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

// Measure asks the server for its goroutines, and the kernel for its resident memory in
// bytes.
func (s *Server) Measure() (goroutines, memory int, err error) {
	status, text, err := fasthttp.GetTimeout(nil, s.URL+"/metrics", 30*time.Second)
	if err != nil {
		return 0, 0, err
	}
	m := goroutinesLine.FindSubmatch(text)
	if m == nil {
		return 0, 0, fmt.Errorf("/metrics answers %d without go_goroutines: %s", status, text)
	}
	goroutines, _ = strconv.Atoi(string(m[1]))
	memory, err = s.resident()
	return goroutines, memory, err
}

// resident is the server's memory that is in use, in bytes.
func (s *Server) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmRSS:" {
			n, err := strconv.Atoi(fields[1])
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in %q", status)
}

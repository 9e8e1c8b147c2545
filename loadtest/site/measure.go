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

// Measure asks the server for its goroutines, and the kernel for its resident memory in
// bytes.
func (s *Server) Measure() (goroutines, memory int, err error) {
	goroutines, err = s.Metric("go_goroutines")
	if err != nil {
		return 0, 0, err
	}
	memory, err = s.resident()
	return goroutines, memory, err
}

// Metric asks the server for a metric without labels that is a whole number.
func (s *Server) Metric(name string) (int, error) {
	status, text, err := fasthttp.GetTimeout(nil, s.URL+"/metrics", 30*time.Second)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile("(?m)^" + name + ` ([\d.e+]+)$`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("/metrics answers %d without %s: %s", status, name, text)
	}
	value, err := strconv.ParseFloat(string(m[1]), 64)
	return int(value), err
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

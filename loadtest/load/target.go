package load

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Target is a server to measure.
type Target struct {
	Name string
	URL  string // without a slash at its end
	// Check is whether answers are read. A yardstick that answers the same to
	// everything is measured without.
	Check bool
}

// ParseTarget reads [NAME=]URL[,check=off]. Without a name it is the URL's host.
func ParseTarget(text string) (Target, error) {
	t := Target{Check: true}
	rest, option, found := strings.Cut(text, ",")
	if found {
		if option != "check=off" {
			return t, fmt.Errorf("%q: after the comma only check=off can stand", text)
		}
		t.Check = false
	}
	if name, after, ok := strings.Cut(rest, "="); ok && !strings.ContainsAny(name, ":/") {
		t.Name, rest = name, after
	}
	u, err := url.Parse(rest)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return t, fmt.Errorf("%q is not [NAME=]http://HOST:PORT[,check=off]", text)
	}
	if t.Name == "" {
		t.Name = u.Host
	}
	t.URL = strings.TrimRight(rest, "/")
	return t, nil
}

// newClient makes an HTTP client that keeps up to connections open.
func newClient(connections int, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: once{&http.Transport{
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			MaxIdleConns:        connections,
			MaxIdleConnsPerHost: connections,
			// Shorter than servers keep idle connections (Node's: 5 s), so that none is
			// closed while a request is on its way.
			IdleConnTimeout:    3 * time.Second,
			DisableCompression: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// once keeps the transport from sending a GET again by itself after the server
// broke the connection: that would hide the failure, and a read would count twice.
// A body that cannot be rewound does it; the transport finds it empty and sends none.
type once struct{ *http.Transport }

func (t once) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = empty{}
	}
	return t.Transport.RoundTrip(r)
}

type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
func (empty) Close() error             { return nil }

package listener

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Healthy asks the server of these options for /healthz, and returns an error
// unless the answer is 200 within timeout.
func (o Options) Healthy(timeout time.Duration) error {
	host := o.address()
	client := fasthttp.Client{
		DialDualStack: true, // else IPv4 alone
		// It is our own server, found by where it listens; its certificate is for
		// the name that others know it by.
		TLSConfig: &tls.Config{InsecureSkipVerify: true},
	}
	if path, ok := o.socket(); ok {
		host = "localhost"
		client.Dial = func(string) (net.Conn, error) { return net.DialTimeout("unix", path, timeout) }
	} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(o.Port)), Path: "/healthz"}
	if o.tls() {
		u.Scheme = "https"
	}
	status, body, err := client.GetTimeout(nil, u.String(), timeout)
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		err = dial // fasthttp's own says the address once more
	}
	if err != nil {
		return fmt.Errorf("unhealthy: %w", err)
	}
	if status != fasthttp.StatusOK {
		return fmt.Errorf("unhealthy: status %d: %s", status, body)
	}
	return nil
}

package sessions

import (
	"net"
	"net/http"
	"strings"
)

// proxied says whether a request comes from a proxy that can be believed: here, one on this machine.
func proxied(r *http.Request) bool {
	ip := net.ParseIP(remoteIP(r))
	return ip != nil && ip.IsLoopback()
}

// visitorIP is the visitor's address, as the proxy has appended it to what the visitor sent.
func visitorIP(r *http.Request) string {
	if forwarded := r.Header.Values("X-Forwarded-For"); proxied(r) && len(forwarded) > 0 {
		all := strings.Split(forwarded[len(forwarded)-1], ",")
		if ip := net.ParseIP(strings.TrimSpace(all[len(all)-1])); ip != nil {
			return ip.String()
		}
	}
	return remoteIP(r)
}

// isHTTPS says whether the visitor's browser speaks https.
func isHTTPS(r *http.Request) bool {
	return r.TLS != nil || proxied(r) && r.Header.Get("X-Forwarded-Proto") == "https"
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return host
}

package sessions

import (
	"context"
	"errors"
	"log"
	"net/http"
	"strings"
	"time"
)

const cookieName = "sid"

// Manager makes visitors of requests.
type Manager struct{ client *Client }

// NewManager returns a manager whose sessions are those of the client's app.
func NewManager(client *Client) *Manager { return &Manager{client} }

// Handler is the middleware. It wraps what needs sessions; static files do better without.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // A page of one visitor is not for others.
		v := &Visitor{manager: m, w: w, r: r}
		if token, sent := cookieOf(r); sent {
			var err error
			v.session, err = m.client.Get(r.Context(), token)
			v.token = token
			switch {
			case errors.Is(err, ErrNoSession):
				v.forget()
			case err != nil:
				Fail(w, err)
				return
			case firstInAWhile(v.session, time.Now()):
				v.remember(Token{Token: v.token, Expires: v.session.Expires})
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

type visitorKey struct{}

// From returns the visitor of a request that came through the middleware.
func From(ctx context.Context) *Visitor { return ctx.Value(visitorKey{}).(*Visitor) }

// Fail answers an error of this package. Of a session of which nothing is known, the
// browser keeps its cookie.
func Fail(w http.ResponseWriter, err error) {
	var refused *Refused
	switch {
	case errors.Is(err, ErrNoSession):
		http.Error(w, "Your session has ended.", http.StatusUnauthorized)
	case errors.As(err, &refused):
		log.Print(err)
		http.Error(w, "That cannot be kept in your session.", refused.Status)
	case errors.Is(err, ErrUnavailable):
		log.Print(err)
		dropCookie(w.Header())
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	default:
		log.Print(err)
		http.Error(w, "This page is broken.", http.StatusInternalServerError)
	}
}

// firstInAWhile says whether a read was the session's first in its eighth of the ttl, by
// the clock. Each read moves the session's end; the cookie's end need not follow each time.
func firstInAWhile(s Session, now time.Time) bool {
	period := max(s.TTL/8, 1)
	return now.Unix()/period != (now.Unix()-s.Idle)/period
}

// cookieOf is the token that the browser sent. A cookie that net/http leaves out, since it has
// quotes, say, is sent too, and is to be cleared.
func cookieOf(r *http.Request) (token string, sent bool) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		return cookie.Value, true
	}
	return "", strings.Contains(strings.Join(r.Header["Cookie"], ";"), cookieName+"=")
}

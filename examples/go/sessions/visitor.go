package sessions

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	guestPrefix = "guest-"       // no user may have such an id
	ttl         = 30 * 24 * 3600 // seconds without a visit that end a session
	maxSessions = 10             // of one user; a login ends the longest idle of more
	maxTries    = 10             // of a change, while other requests change the session too
)

// Visitor is who sent a request. It belongs to that request: not for concurrent use.
type Visitor struct {
	manager *Manager
	w       http.ResponseWriter
	r       *http.Request
	token   string
	session Session // its ID is empty if the visitor has no session
}

// User is the id of the user who has logged in, or "".
func (v *Visitor) User() string {
	if v.isGuest() {
		return ""
	}
	return v.session.ID
}

// Handle is the public name of this session, as in the list of Devices.
func (v *Visitor) Handle() string { return v.session.Handle }

// Value decodes a value of the session's data, and leaves it as it is if there is none.
func (v *Visitor) Value(key string, value any) error {
	if text := v.session.Data[key]; text != nil {
		return json.Unmarshal(text, value)
	}
	return nil
}

// Update changes the data. The function reads values and returns those to set, nil to
// remove one; it is called again if another request was faster. Somebody without a
// session becomes a guest.
func (v *Visitor) Update(ctx context.Context, change func() (map[string]any, error)) error {
	for range maxTries {
		changes, err := change()
		if err != nil {
			return err
		}
		if v.session.ID == "" {
			return v.start(ctx, guestPrefix+random(), url.Values{"ip": {visitorIP(v.r)}}, changes)
		}
		session, err := v.manager.client.Set(ctx, v.token, v.session.Writes, changes)
		if errors.Is(err, ErrConflict) {
			session, err = v.manager.client.Get(ctx, v.token)
			v.session = session
			if err == nil {
				continue
			}
		}
		if errors.Is(err, ErrNoSession) {
			v.forget() // Ended since this request began: not to be made anew.
		} else if err == nil {
			v.session = session
		}
		return err
	}
	return fmt.Errorf("%w: too many requests change this session", ErrUnavailable)
}

// Login is called when the password was right. A guest's data stays, another user's does not.
func (v *Visitor) Login(ctx context.Context, user string) error {
	options := url.Values{"ip": {visitorIP(v.r)}, "max_sessions": {strconv.Itoa(maxSessions)}}
	if v.isGuest() || v.session.ID == user {
		token, err := v.manager.client.Become(ctx, v.token, user, options)
		if err == nil {
			v.session.ID = user
			v.remember(token)
			return nil
		}
		if !errors.Is(err, ErrNoSession) {
			return err
		}
		v.session = Session{} // It has ended meanwhile.
	}
	old := v.session.ID
	oldToken := v.token
	if err := v.start(ctx, user, options, nil); err != nil || old == "" {
		return err
	}
	return v.manager.client.Kill(ctx, oldToken)
}

// Logout ends this session.
func (v *Visitor) Logout(ctx context.Context) error {
	if v.session.ID == "" {
		return nil
	}
	if err := v.manager.client.Kill(ctx, v.token); err != nil {
		return err
	}
	v.forget()
	return nil
}

// LogoutEverywhere ends all sessions of the user.
func (v *Visitor) LogoutEverywhere(ctx context.Context) error {
	if v.User() == "" {
		return v.Logout(ctx)
	}
	if err := v.manager.client.KillUser(ctx, v.User(), ""); err != nil {
		return err
	}
	v.forget()
	return nil
}

// Devices lists the sessions of the user.
func (v *Visitor) Devices(ctx context.Context) ([]Session, error) {
	return v.manager.client.SessionsOf(ctx, v.User())
}

// EndDevice ends the one of the user's own sessions that has a handle.
func (v *Visitor) EndDevice(ctx context.Context, handle string) error {
	if v.User() == "" || handle == "" {
		return ErrNoSession
	}
	return v.manager.client.KillUser(ctx, v.User(), handle)
}

func (v *Visitor) isGuest() bool { return strings.HasPrefix(v.session.ID, guestPrefix) }

// start begins a new session.
func (v *Visitor) start(ctx context.Context, user string, options url.Values, data map[string]any) error {
	texts := make(map[string]json.RawMessage, len(data))
	for key, value := range data {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		texts[key] = text
	}
	token, err := v.manager.client.Create(ctx, user, with(options, "ttl", strconv.Itoa(ttl)), texts)
	if err != nil {
		return err
	}
	v.session = Session{ID: user, Writes: 1, TTL: ttl, IP: visitorIP(v.r), Handle: token.Handle, Data: texts}
	v.remember(token)
	return nil
}

// remember gives the token to the browser, in a cookie that ends with the session.
func (v *Visitor) remember(t Token) {
	v.token, v.session.Expires = t.Token, t.Expires
	v.setCookie(t.Token, max(int(t.Expires-time.Now().Unix()), 1))
}

// forget clears the cookie.
func (v *Visitor) forget() {
	v.token, v.session = "", Session{}
	v.setCookie("", -1)
}

func (v *Visitor) setCookie(value string, maxAge int) {
	dropCookie(v.w.Header())
	http.SetCookie(v.w, &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: isHTTPS(v.r)})
}

// dropCookie takes back what has been said of the cookie in an answer that is not sent yet.
func dropCookie(h http.Header) {
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, cookieName+"=")
	})
}

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

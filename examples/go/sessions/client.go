// Package sessions keeps the sessions of a site's visitors in rest-sessions: a client of its
// routes, and a middleware that puts the visitor into the context of each request.
package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrNoSession says that there is no such session: it has ended, or never was.
	ErrNoSession = errors.New("sessions: no such session")
	// ErrConflict says that another request has changed the session since it was read.
	ErrConflict = errors.New("sessions: changed by another request")
	// ErrUnavailable says that nothing is known of the session now. It is never a reason
	// to log a visitor out: answer 503.
	ErrUnavailable = errors.New("sessions: unavailable")
)

// Refused is an answer that the request is wrong, for instance that the data is too large.
type Refused struct {
	Status        int
	Name, Message string
}

func (e *Refused) Error() string { return "sessions: " + e.Name + ": " + e.Message }

// Session is a session as rest-sessions answers it. Times are Unix seconds, TTL and Idle seconds.
type Session struct {
	ID      string                     `json:"id"`
	Writes  int64                      `json:"w"`
	TTL     int64                      `json:"ttl"`
	Idle    int64                      `json:"idle"`
	IP      string                     `json:"ip"`
	Handle  string                     `json:"handle"`
	Created int64                      `json:"created"`
	Expires int64                      `json:"expires"`
	Data    map[string]json.RawMessage `json:"d"`
}

// Token is the secret of a new session, or the new one of an old session, and its end.
type Token struct {
	Token   string `json:"token"`
	Handle  string `json:"handle"`
	Expires int64  `json:"expires"`
}

// Client asks one rest-sessions about one app. It is safe for concurrent use.
type Client struct {
	base, key string
	http      *http.Client
}

// NewClient returns a client of the rest-sessions at a URL. The key may be empty.
func NewClient(baseURL, app, key string) *Client {
	return &Client{base: baseURL + "/" + app, key: key, http: &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext,
			// The default keeps two: a busy site would dial for nearly every request.
			MaxIdleConnsPerHost: 100,
			// Less than the 75 s after which rest-sessions closes them.
			IdleConnTimeout: 60 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Get reads a session, which counts as activity.
func (c *Client) Get(ctx context.Context, token string) (s Session, err error) {
	err = c.call(ctx, request{method: "GET", path: "/get/-", query: details, token: token}, "id", &s)
	return s, err
}

// Create starts a session with some data. In options are ip (needed), ttl, max_age, max_sessions.
func (c *Client) Create(ctx context.Context, user string, options url.Values, data map[string]json.RawMessage) (t Token, err error) {
	err = c.call(ctx, request{method: "PUT", path: "/create/" + url.PathEscape(user),
		query: with(options, "with", "handle,expires"), body: data}, "token", &t)
	return t, err
}

// Set merges changes into the data; nil removes a key. It does nothing but return
// ErrConflict if the session has been written since its counter was writes.
func (c *Client) Set(ctx context.Context, token string, writes int64, changes any) (s Session, err error) {
	err = c.call(ctx, request{method: "POST", path: "/set/-", token: token,
		query: with(details, "if_w", strconv.FormatInt(writes, 10)), body: changes}, "id", &s)
	return s, err
}

// Become makes the session that of another user, under a new token; the old one is dead.
// In options are ip and max_sessions.
func (c *Client) Become(ctx context.Context, token, user string, options url.Values) (t Token, err error) {
	query := with(with(options, "id", user), "with", "handle,expires")
	err = c.call(ctx, request{method: "POST", path: "/rotate/-", query: query, token: token}, "token", &t)
	return t, err
}

// Kill ends a session. That there is none is no error.
func (c *Client) Kill(ctx context.Context, token string) error {
	return c.call(ctx, request{method: "DELETE", path: "/kill/-", token: token}, "kill", nil)
}

// KillUser ends all sessions of a user, or with a handle that one.
func (c *Client) KillUser(ctx context.Context, user, handle string) error {
	var query url.Values
	if handle != "" {
		query = url.Values{"handle": {handle}}
	}
	return c.call(ctx, request{method: "DELETE", path: "/killsoid/" + url.PathEscape(user), query: query}, "kill", nil)
}

// SessionsOf lists a user's sessions, the one used last first.
func (c *Client) SessionsOf(ctx context.Context, user string) ([]Session, error) {
	var list struct{ Sessions []Session }
	err := c.call(ctx, request{method: "GET", path: "/soid/" + url.PathEscape(user), query: details}, "sessions", &list)
	return list.Sessions, err
}

var details = url.Values{"with": {"handle,created,expires"}}

// with returns a copy of the query with one more parameter.
func with(query url.Values, name, value string) url.Values {
	all := url.Values{name: {value}}
	for k, v := range query {
		all[k] = v
	}
	return all
}

type request struct {
	method, path string
	query        url.Values
	token        string // the path has - in its place
	body         any
}

var tokenForm = regexp.MustCompile(`^[A-Za-z0-9]{64}$`)

// call sends a request and decodes the answer, which is {} or has the member.
func (c *Client) call(ctx context.Context, r request, member string, answer any) error {
	if strings.HasSuffix(r.path, "/-") && !tokenForm.MatchString(r.token) {
		return ErrNoSession
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path+"?"+r.query.Encode(), body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("X-Session-Token", r.token)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return decode(res.StatusCode, text, member, answer)
}

// decode wants JSON with the member. A page of a proxy, say, must not pass for "no session".
func decode(status int, text []byte, member string, answer any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return fmt.Errorf("%w: status %d, and no JSON", ErrUnavailable, status)
	}
	switch status {
	case http.StatusOK:
	case http.StatusConflict:
		return ErrConflict
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		refused := &Refused{Status: status}
		if json.Unmarshal(text, refused) == nil && refused.Name != "" {
			return refused
		}
		fallthrough
	default:
		return fmt.Errorf("%w: status %d: %s", ErrUnavailable, status, members["name"])
	}
	if members != nil && len(members) == 0 {
		return ErrNoSession
	}
	if members[member] == nil {
		return fmt.Errorf("%w: an answer without %s", ErrUnavailable, member)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

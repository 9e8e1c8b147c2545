package migrate

import (
	"math"
	"strconv"
	"strings"

	"rest-sessions/store"
)

// session is one as it is stored.
type session struct {
	App, Token, ID, IP string
	R, W, TTL          int64
	LastActivity       int64 // Unix seconds
	NoResave           bool
	D                  string // as it stands there
	End                int64  // the last second by MaxAge, or 0
	Root               string // the first token, if it was rotated since it is this user's
	First              string // the first token, if it was another user's
	Created            int64  // Unix seconds, or 0
	// Index and User are the scores of the session and of its user, who may have none.
	Index, User float64
}

// parseSession reads an entry of export's reply. It reports false if that is no session as
// it should be.
func parseSession(app string, fields []string) (session, bool) {
	token, _, _ := strings.Cut(fields[1], ":")
	if len(fields) != 15 || !store.ValidToken(token) {
		return session{}, false
	}
	f := fields[3:]
	raw := session{App: app, Token: token, ID: f[0], IP: f[5], NoResave: f[6] == "1", D: f[7], Root: f[9], First: f[11]}
	ok := raw.ID != ""
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		ok = ok && err == nil
		return n
	}
	raw.R, raw.W, raw.TTL, raw.LastActivity = number(f[1]), number(f[2]), number(f[3]), number(f[4])
	if f[8] != "" {
		raw.End = number(f[8])
	}
	if f[10] != "" {
		raw.Created = number(f[10])
	}
	var err error
	raw.Index, err = strconv.ParseFloat(fields[0], 64)
	ok = ok && err == nil && !math.IsInf(raw.Index, 0)
	if fields[2] != "" {
		raw.User, err = strconv.ParseFloat(fields[2], 64)
		ok = ok && err == nil && !math.IsInf(raw.User, 0)
	}
	return raw, ok
}

// importArgs makes the arguments of import.lua: the hash and its index entries as
// our scripts would have left them after the last activity. ahead is as for copySessions.
func (raw *session) importArgs(ahead int64, dry bool) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	la, end, created := raw.LastActivity+ahead, raw.End, raw.Created
	if end != 0 {
		end += ahead
	}
	if created != 0 {
		created += ahead
	}
	last := la + raw.TTL
	if end != 0 {
		last = min(last, end)
	}
	// The fraction keeps entries apart: see clock.lua. A Node server's scores have none.
	_, fraction := math.Modf(raw.Index)
	if fraction < 1e-6 {
		fraction = float64(1+store.Bucket(raw.Token)) / (store.Buckets + 1)
	}
	score := func(seconds int64, fraction float64) string {
		return strconv.FormatFloat(float64(seconds)+fraction, 'f', 6, 64)
	}
	// The user's last activity may have been in another session.
	user := max(float64(la)+fraction, raw.User+float64(ahead))
	only := ""
	if dry {
		only = "1"
	}
	sum := raw.R + raw.W
	args := []string{
		raw.App, raw.Token, number(sum), number(la), number(last),
		score(la, fraction), score(0, user), score(store.WipeAt(la, raw.TTL, raw.NoResave, end)-1, fraction), only,
		"id", raw.ID, "r", number(raw.R), "w", number(raw.W), "m", number(sum), "ip", raw.IP, "la", number(la), "ttl", number(raw.TTL),
	}
	for _, field := range [][2]string{{"no_resave", map[bool]string{true: "1"}[raw.NoResave]}, {"end", text(end)}, {"created", text(created)}, {"root", raw.Root}, {"first", raw.First}, {"d", raw.D}} {
		if field[1] != "" {
			args = append(args, field[0], field[1])
		}
	}
	return args
}

// text is n, "" for 0.
func text(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

package redis

import (
	"errors"
	"fmt"
	"strings"

	"rest-sessions/store"
)

// errReply is a reply that no script of ours makes.
var errReply = errors.New("redis: malformed reply")

// parseSession reads what include/session.lua renders: "r w ttl idle no_resave
// #id #ip\n", then id, ip and d. The session's texts are parts of reply, not
// copies. An empty reply is store.ErrNotFound.
func parseSession(reply string) (store.Session, error) {
	if reply == "" {
		return store.Session{}, store.ErrNotFound
	}
	head, rest, ok := strings.Cut(reply, "\n")
	var n [7]int64
	for i := range n {
		if !ok {
			break
		}
		n[i], head, ok = cutInt(head)
	}
	idLen, ipLen := n[5], n[6]
	if !ok || head != "" || idLen < 0 || ipLen < 0 || idLen+ipLen > int64(len(rest)) {
		return store.Session{}, fmt.Errorf("%w: %.80q", errReply, reply)
	}
	return store.Session{
		ID: rest[:idLen],
		IP: rest[idLen : idLen+ipLen],
		D:  data(rest[idLen+ipLen:]),
		R:  n[0], W: n[1], TTL: n[2], Idle: n[3],
		NoResave: n[4] == 1,
	}, nil
}

// data returns d, or "" for an empty object: the same thing to a client.
func data(d string) string {
	if d == "{}" {
		return ""
	}
	return d
}

// cutInt cuts a decimal number and the space after it, if there is one, off s.
func cutInt(s string) (n int64, rest string, ok bool) {
	i := 0
	negative := strings.HasPrefix(s, "-")
	if negative {
		i = 1
	}
	digits := i
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9' && i-digits < 18; i++ {
		n = n*10 + int64(s[i]-'0')
	}
	if i == digits {
		return 0, s, false
	}
	if negative {
		n = -n
	}
	if i < len(s) {
		if s[i] != ' ' {
			return 0, s, false
		}
		i++
	}
	return n, s[i:], true
}

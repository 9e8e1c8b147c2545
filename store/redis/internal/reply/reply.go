// Package reply reads the text of a session as the scripts render it. It knows no
// Redis client.
package reply

import (
	"errors"
	"fmt"
	"strings"

	"rest-sessions/store"
)

// ErrMalformed is a reply that no script of ours makes. No error quotes one: a reply
// holds sessions, and errors are logged.
var ErrMalformed = errors.New("redis: malformed reply")

// Session reads a reply that is the session with the token. The error is
// store.ErrNotFound if there is none.
func Session(text, token string) (store.Session, error) {
	session, _, err := Read(text, token)
	return session, err
}

// Extra is what a reply says of a session beside what is answered.
type Extra struct {
	// End is the last second of the session whatever its activity, or 0, in a reply that is
	// to be kept.
	End int64
	// OldToken says that the token is not the session's own.
	OldToken bool
}

// Read is Session with the Extra.
func Read(text, token string) (store.Session, Extra, error) {
	session, more, rest, err := Cut(text)
	if session.First == "" && err == nil {
		session.First = strings.Clone(token)
	}
	if rest != "" && (err == nil || err == store.ErrNotFound) {
		err = fmt.Errorf("%w: %d bytes after the session", ErrMalformed, len(rest))
	}
	return session, more, err
}

// Numbers in the header line of a session, and those after them with details.
const (
	plainNumbers  = 8
	detailNumbers = 3
	keptNumbers   = 1 // after those
)

// CutSession is Cut without the Extra.
func CutSession(text string) (session store.Session, rest string, err error) {
	session, _, rest, err = Cut(text)
	return session, rest, err
}

// Cut cuts the first session off a text: "#id #ip #d r w ttl idle no_resave\n" or
// "... no_resave created expires #first\n", then id, ip, d and first. First is "" if it is
// the token itself. The strings are parts of text, not copies. The line "-" is
// store.ErrNotFound; one that begins with "!" says what is wrong with what is stored.
func Cut(text string) (session store.Session, more Extra, rest string, err error) {
	end := strings.IndexByte(text, '\n')
	if end < 0 {
		return session, more, "", fmt.Errorf("%w: no line in %d bytes", ErrMalformed, len(text))
	}
	head, rest := text[:end], text[end+1:]
	switch head[:min(1, len(head))] {
	case "-":
		return session, more, rest, store.ErrNotFound
	case "!":
		return session, more, rest, fmt.Errorf("redis: a session that cannot be read: %s", head[1:])
	}
	var n [plainNumbers + detailNumbers + keptNumbers]int64
	ok, numbers := true, 0
	for ; ok && numbers < len(n) && !(head == "" && (numbers == plainNumbers || numbers == plainNumbers+detailNumbers)); numbers++ {
		n[numbers], head, ok = cutInt(head)
	}
	more.OldToken, more.End = n[7]&2 != 0, n[11]
	created, expires, firstLen := n[8], n[9], n[10]
	size := int64(len(rest))
	for _, length := range [...]int64{n[0], n[1], n[2], firstLen} {
		ok = ok && length >= 0 && length <= int64(len(rest))
		size -= length
	}
	if !ok || head != "" || size < 0 || firstLen != 0 && firstLen != store.TokenLen {
		return session, more, "", fmt.Errorf("%w: numbers of a session expected, in a line of %d bytes", ErrMalformed, end)
	}
	idEnd, ipEnd, dEnd := n[0], n[0]+n[1], n[0]+n[1]+n[2]
	return store.Session{
		ID: rest[:idEnd],
		IP: rest[idEnd:ipEnd],
		D:  Data(rest[ipEnd:dEnd]),
		R:  n[3], W: n[4], TTL: n[5], Idle: n[6],
		NoResave: n[7]&1 == 1,
		Details:  store.Details{First: rest[dEnd : dEnd+firstLen], Created: created, Expires: expires},
	}, more, rest[dEnd+firstLen:], nil
}

// Data returns d, or "" for an empty object: the same thing to a client.
func Data(d string) string {
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

package list

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/reply"
)

// userList reads the set of a user's tokens: in one call, or, if it is very big, with
// SSCAN, which never misses a token that is there throughout but may give one twice,
// and may miss a session that is rotated meanwhile.
type userList struct {
	reader
	id     string
	cursor string // of SSCAN; "" when the set is done
}

// Next implements store.List.
func (u *userList) Next(ctx context.Context) ([]store.Session, error) {
	for {
		var found []store.Session
		var err error
		switch {
		case len(u.left) > 0:
			found, err = u.read(ctx)
		case u.cursor != "":
			found, err = u.readSet(ctx)
		case len(u.missing) > 0:
			err = u.findRotated(ctx)
		default:
			return nil, io.EOF
		}
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
}

// readSet reads the next tokens of the set, and the sessions of the first of them.
func (u *userList) readSet(ctx context.Context) ([]store.Session, error) {
	l, err := u.Client.Layout(ctx)
	if err != nil {
		return nil, err
	}
	of := l.OfID(u.app, u.id)
	said, err := u.throttle.Run(ctx, u.Client, u.Soid, []string{of.User(u.id)},
		[]string{of.Prefix, u.cursor, strconv.Itoa(ChunkSize), strconv.Itoa(ChunkBytes), strconv.Itoa(WholeUser)})
	if err != nil {
		return nil, err
	}
	values, err := said.ToArray()
	if err != nil || len(values) != 3 {
		return nil, fmt.Errorf("%w: soid: %v", reply.ErrMalformed, err)
	}
	cursor, err1 := values[0].ToString()
	tokens, err2 := values[1].AsStrSlice()
	texts, err3 := values[2].AsStrSlice()
	if err := cmp.Or(err1, err2, err3); err != nil || len(texts) > len(tokens) {
		return nil, fmt.Errorf("%w: soid: %v", reply.ErrMalformed, err)
	}
	if cursor == "0" {
		cursor = ""
	}
	if cursor != "" { // else the set is all in this reply
		u.seen.by = everyone
	}
	u.cursor = cursor
	u.left = tokens[len(texts):]
	return u.sessions(tokens, texts)
}

// findRotated finds the sessions of missing among the user's present tokens.
func (u *userList) findRotated(ctx context.Context) error {
	missing := u.takeMissing()
	none := func() string { return "" }
	return u.scanUser(ctx, u.id, "", none, func(token string) {
		if store.ValidToken(token) && missing.has(store.PackToken(token)) {
			u.left = append(u.left, token)
		}
	})
}

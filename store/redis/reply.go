package redis

import (
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/reply"
)

// errReply is a reply that no script of ours makes. No error quotes one: a reply holds
// sessions, and errors are logged.
var errReply = reply.ErrMalformed

// sessionIn reads a reply that is the session with the token.
func sessionIn(message rueidis.RedisMessage, err error, token string) (store.Session, error) {
	session, _, err := replyIn(message, err, token)
	return session, err
}

// replyIn is sessionIn with the extra.
func replyIn(message rueidis.RedisMessage, err error, token string) (store.Session, reply.Extra, error) {
	if err != nil {
		return store.Session{}, reply.Extra{}, err
	}
	text, err := message.ToString()
	if err != nil {
		return store.Session{}, reply.Extra{}, fmt.Errorf("%w: %w", errReply, err)
	}
	return reply.Read(text, token)
}

func numberOf(message rueidis.RedisMessage) (int64, error) {
	n, err := message.ToInt64()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errReply, err)
	}
	return n, nil
}

// text is n, "" for 0.
func text(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

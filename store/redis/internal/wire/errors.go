package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store"
)

var (
	// ErrOtherLayout is of calls whose keys were named for what stood there before: one
	// Redis where now is a Redis Cluster.
	ErrOtherLayout = fmt.Errorf("%w: the server has been replaced by one of another kind", store.ErrUnavailable)

	errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

	// errNoAnswer ends a wait that took too long. The call may have been executed.
	errNoAnswer = fmt.Errorf("%w: no answer in time", store.ErrUnavailable)
)

// Mistake is what is wrong with the configuration: it does not mend by itself.
type Mistake string

func (m Mistake) Error() string { return string(m) }

// Answered reports whether an error of a call, or none, shows that there is a Redis,
// also one that refuses to serve.
func Answered(err error) bool {
	_, refused := errors.AsType[*rueidis.RedisError](err)
	_, wrong := errors.AsType[Mistake](err)
	return err == nil || refused || wrong
}

// unreachable makes a store.ErrUnavailable of whatever kept us from connecting,
// also of what would be a fault of ours if Redis said it of a command.
type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{store.ErrUnavailable, u.error} }

// refuses reports whether err is of a Redis that answers, but not with what was asked.
func refuses(err error) bool {
	_, said := rueidis.IsRedisErr(err)
	return said
}

// Classify wraps an error of rueidis. What Redis says of itself, and whatever
// kept us from hearing it, is store.ErrUnavailable; what is left is what Redis
// says of our command: a fault.
func Classify(err error) error {
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		// Not wrapped: that of a connection that breaks is io.EOF, the end of a list.
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	switch codeOf(said) {
	case "LOADING", "BUSY", "MASTERDOWN", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "TRYAGAIN",
		"CLUSTERDOWN", "MOVED", "ASK", "NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "UNKILLABLE",
		"CROSSSLOT": // from a cluster that stands where one server was, see onRefusal
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if strings.Contains(said.Error(), "max number of clients") {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if text, arguments, quoted := strings.Cut(said.Error(), ", with args beginning with:"); quoted && arguments != "" {
		return fmt.Errorf("redis: %s", text) // the arguments are tokens and ids
	}
	return fmt.Errorf("redis: %w", err)
}

// codeOf returns the word that an error of Redis begins with. What an access list forbids
// within a script is an ERR, in other words from version to version; here it is a NOPERM.
func codeOf(said *rueidis.RedisError) string {
	text := said.Error()
	if forbidden(text) {
		return "NOPERM"
	}
	code, _, _ := strings.Cut(text, " ")
	return code
}

// forbidden reports whether text says that an access list forbade what a script did.
func forbidden(text string) bool {
	return strings.Contains(text, "The user executing the script can't") || strings.Contains(text, "ACL failure in script")
}

// SlotIsMoving reports whether Redis refused a call, without executing it, because a
// slot is moving: some of its keys are on another node, or nodes that do not all know of
// the move redirect to each other.
func SlotIsMoving(err error) bool {
	if errors.Is(err, rueidis.ErrNoSlot) {
		return true // nothing was sent, and the next call asks the nodes anew
	}
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	_, moved := said.IsMoved()
	return moved || said.IsTryAgain()
}

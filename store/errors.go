package store

import "errors"

var (
	// ErrNotFound means that the store answered, and that there is no such
	// session: it never was, it expired, or it was killed.
	ErrNotFound = errors.New("store: no such session")

	// ErrUnavailable means that the store did not answer, or answered that it
	// cannot serve now (loading, out of memory, read-only). It says nothing
	// about the session, and the operation may or may not have been done.
	ErrUnavailable = errors.New("store: unavailable")

	// ErrConflict means that the session is not as SetIf was to find it, and was left
	// as it is.
	ErrConflict = errors.New("store: the session has changed")

	// ErrTooLarge means that a session's data would be over the engine's limit. The
	// session is as before, its counters too.
	ErrTooLarge = errors.New("store: the data is too large")

	// ErrCursor means that a cursor is not one of this list: the caller's mistake.
	ErrCursor = errors.New("store: not a cursor of this list")
)

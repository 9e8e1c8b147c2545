package store

import "context"

// Session is one session as a route answers it.
//
// All strings are immutable and belong to whoever holds the Session; an engine
// never writes to them again.
type Session struct {
	// ID is the user's id and IP the address given at creation, as sent.
	ID, IP string
	// D is the session's data: the text of a JSON object without white space between
	// its tokens, or "" when there is none.
	D string
	// R and W count reads and writes. A read answers both as they were before
	// it; a write answers W with itself counted.
	R, W int64
	// TTL is how many seconds the session lives without activity; for a
	// NoResave session how many seconds are left.
	TTL int64
	// Idle is how many seconds ago the last activity was.
	Idle int64
	// NoResave marks a session that ends TTL seconds after its creation,
	// whatever its activity.
	NoResave bool
	// Details are filled in by every method but Get.
	Details
}

// Details are what a session has beside what the original server answers.
type Details struct {
	// First is the first token that the session had, which no rotation changes; its
	// handle is made from it.
	First string
	// Created is when the session was created, in Unix seconds, or 0 if that is not
	// known: the original server does not note it.
	Created int64
	// Expires is the last Unix second in which the session lives if nobody uses it
	// from now on.
	Expires int64
}

// Move is how a session goes on as another user's.
type Move struct {
	// ID is the user's id, and IP the new address, or "" to keep the session's.
	ID, IP string
	// MaxSessions is as in New.
	MaxSessions int
}

// New is what a session is created from.
type New struct {
	ID, IP string
	// TTL is in seconds, from MinTTL to MaxTTL.
	TTL      int64
	NoResave bool
	// MaxAge is how many seconds after its creation the session ends whatever its
	// activity, from MinTTL to MaxTTL, or 0 for no such end.
	MaxAge int64
	// MaxSessions is how many sessions the user may have with this one, from 1 to
	// MaxUserSessions, or 0 for any number.
	MaxSessions int
	// Data holds the first data; its nulls are left out. It may be empty.
	Data Data
}

// Store keeps sessions. It is safe for concurrent use. Every method is atomic, but for
// those that say they work in steps.
type Store interface {
	// Arguments are valid: the caller has checked them with this package's Valid
	// functions. Strings may alias memory that the caller reuses once the call has
	// returned, so an engine copies what it keeps, also when it gives up early.

	// Time is whole Unix seconds on the store's own clock. A session is alive while
	// TTL >= now - last activity and, with a MaxAge, while MaxAge >= now - creation. An
	// expired one is not there for any method but KillApp, wiped or not. If the clock is
	// set back, nothing ends, Idle is 0, and no last activity moves back. A user's last
	// activity outlives its session as long as another of the user's is not wiped.

	// Errors are wrapped: test them with errors.Is. One that is not of this package is
	// a fault in the engine or in what is stored. An engine bounds each round trip to
	// its server; past that, and if ctx has ended, the error is ErrUnavailable.

	// Create starts a session under a token that NewToken made for its id and that is
	// not in use. Its counters are 1. With n.MaxSessions the user's surplus sessions end
	// in the same step, longest idle first (ties: lower token first), expired ones not
	// counted; far too many end in steps before it. ErrTooLarge if the data is over the
	// engine's limit.
	Create(ctx context.Context, app, token string, n New) (Details, error)

	// Get reads a session and counts as activity: R goes up by one, and the last
	// activity moves to now if at least one second has passed. For a NoResave session,
	// TTL goes down by the seconds that have passed. ErrNotFound if there is none.
	Get(ctx context.Context, app, token string) (Session, error)

	// GetWith is Get, and returns the session's Details too.
	GetWith(ctx context.Context, app, token string) (Session, error)

	// Peek returns what GetWith would, and changes nothing: it does not count.
	Peek(ctx context.Context, app, token string) (Session, error)

	// Touch counts as activity like Get, but neither R nor W goes up. A ttl other than 0,
	// in seconds, becomes the session's, counted from now; a maxAge other than 0 ends it
	// so many seconds from now, whatever its activity. It returns the session after the
	// change, with Idle as it was. ErrNotFound if there is none.
	Touch(ctx context.Context, app, token string, ttl, maxAge int64) (Session, error)

	// Set merges d, which is not empty, into the session's data, whole values by key,
	// raises W by one and counts as activity like Get. It returns the session after the
	// change. ErrNotFound if there is none; none is then made. ErrTooLarge if D would be
	// over the engine's limit, and longer than it was.
	Set(ctx context.Context, app, token string, d Data) (Session, error)

	// SetIf is Set if the session's W is w. Otherwise it changes nothing, and returns
	// ErrConflict with the session as Peek returns it.
	SetIf(ctx context.Context, app, token string, w int64, d Data) (Session, error)

	// Activity counts the users of an app, not its sessions, whose last activity is at
	// most dt seconds ago. An engine that keeps an app in buckets may look at one after
	// the other: what happens meanwhile is in the count or not.
	Activity(ctx context.Context, app string, dt int64) (int64, error)

	// SessionsOfApp lists the sessions of an app whose last activity is at most
	// dt seconds ago: latest first, then by token, descending. It does not count as
	// activity. A session that is there from the call until io.EOF is listed exactly
	// once, in the order of the start; one that is rotated meanwhile perhaps at the end.
	SessionsOfApp(ctx context.Context, app string, dt int64) List

	// SessionsOfID lists a user's sessions in no set order, as SessionsOfApp does.
	SessionsOfID(ctx context.Context, app, id string) List

	// PageOfApp lists at most limit of the sessions that SessionsOfApp lists, in that
	// order: the first ones if cursor is empty, else those after the page whose Cursor
	// it is. An engine keeps nothing between two pages. Over all pages, a session that is
	// there throughout and not active meanwhile is listed exactly once; one that is
	// active has moved to the top, and is listed once or not at all.
	PageOfApp(ctx context.Context, app string, dt int64, limit int, cursor string) Page

	// PageOfID lists at most limit of the sessions that SessionsOfID lists, by
	// token, upwards. Over all pages, one that is there throughout is listed once.
	PageOfID(ctx context.Context, app, id string, limit int, cursor string) Page

	// Kill ends a session and reports whether there was one. It leaves an expired one to
	// Wipe.
	Kill(ctx context.Context, app, token string) (bool, error)

	// KillID ends a user's sessions and returns how many there were. It removes expired
	// ones too, without counting them. It works in steps: on an error some may have
	// ended. If except is the token of one of the user's sessions, that one stays; except
	// may be "".
	KillID(ctx context.Context, app, id, except string) (int64, error)

	// Rotate gives a session the token fresh, which NewTokenLike made for token and which
	// is not in use, and returns it. It counts as activity, but neither R nor W goes up.
	// For grace seconds, from 0 to MaxGrace, the old token works in Get, Set, Kill, Rotate
	// and as KillID's except, also after another rotation; Rotate of it returns the
	// present token, so that two callers at once agree. ErrNotFound if there is none.
	Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, Details, error)

	// Move makes the session that of the user m.ID, under the token fresh, which NewToken
	// made for m.ID and which is not in use. The rest stays; it counts as activity like
	// Rotate. Its earlier tokens end at once. Of two at once one gets ErrNotFound. An
	// engine that keeps the users apart makes the new session first, and ends the old one
	// if nobody has changed it, else begins again: if that breaks off, both stay.
	Move(ctx context.Context, app, token, fresh string, m Move) (Details, error)

	// KillHandle ends the one of the user's sessions that has this handle, and reports
	// whether there was one. For a user with many it may work in steps, and miss one that
	// is rotated again and again meanwhile.
	KillHandle(ctx context.Context, app, id, handle string) (bool, error)

	// KillApp ends an app's sessions and returns how many the index held, expired ones
	// that were not wiped yet included. It works in steps: on an error some have ended. A
	// session created meanwhile may survive; one that was there at the start does not.
	KillApp(ctx context.Context, app string) (int64, error)

	// Wipe removes the sessions whose WipeAt has come, in steps, and returns how many
	// those were. It never ends a live session, whoever else wipes at the same time.
	Wipe(ctx context.Context) (int64, error)

	// Ping asks whether the store can serve.
	Ping(ctx context.Context) error

	// Close frees the engine's connections and goroutines. No method may be
	// called after it.
	Close()
}

// List hands out the sessions of a list chunk by chunk, so that neither side holds it
// whole. It is for one goroutine.
type List interface {
	// Next returns the next chunk, or io.EOF itself after the last. A chunk is never
	// empty and is valid until the next call. Any other error ends the list:
	// what came before it is not the whole. An ended ctx is ErrUnavailable also
	// where EOF would follow.
	Next(ctx context.Context) ([]Session, error)
}

// Page is a page of a longer list. Its first Next returns ErrCursor if the cursor is not
// one of that list.
type Page interface {
	List
	// Cursor returns the cursor of the next page, once Next has returned io.EOF; "" if
	// this was the last. If sessions end meanwhile, a page may be shorter than its
	// limit, even empty, with others after it.
	Cursor() string
}

package store

// MaxWindow is the longest index window in seconds. An index entry that trails
// the last activity by up to a minute costs a wiper one look, and saves two of
// the three index writes of nearly every read.
const MaxWindow = 60

// UsersWindow is the length in seconds of the clock windows in which a user's
// _users entry is written once. It is the least dt of activity, so that a reader of
// the index alone errs by no more than that; it saves the index write of a read
// that follows another within seconds, a third of what that costs Redis.
const UsersWindow = 10

// Window returns the length in seconds of the clock windows in which a session
// writes its _sessions and SESSIONS index entries once: min(60, ttl/10), at
// least 1. A NoResave session has windows of one second, since its ttl shrinks
// with each touch and windows of changing length would not line up.
func Window(ttl int64, noResave bool) int64 {
	if noResave {
		return 1
	}
	return max(1, min(MaxWindow, ttl/10))
}

// WipeAt returns the time from which a session may be wiped unless it has been
// active since: its end, counted from the end of the window that holds its last
// activity. So it is the same for every touch in a window, and always later
// than the session's end. end is the last second of a session with a MaxAge, or
// 0: it may be wiped from the next one on.
func WipeAt(lastActivity, ttl int64, noResave bool, end int64) int64 {
	w := Window(ttl, noResave)
	at := lastActivity - lastActivity%w + w + ttl
	if end != 0 {
		at = min(at, end+1)
	}
	return at
}

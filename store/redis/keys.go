package redis

// keyspace builds the names of all keys: the classic layout, shared with
// redis-sessions (see the table in the README).
type keyspace struct {
	// ns is the namespace with its colon, as in "drs:".
	ns string
}

// session is the hash of one session.
func (k keyspace) session(app, token string) string { return k.ns + app + ":" + token }

// sessions is the zset "token:id" by last activity of an app.
func (k keyspace) sessions(app string) string { return k.ns + app + ":_sessions" }

// users is the zset of user ids by last activity of an app.
func (k keyspace) users(app string) string { return k.ns + app + ":_users" }

// user is the set of a user's tokens.
func (k keyspace) user(app, id string) string { return k.ns + app + ":us:" + id }

// prefix is what the keys of an app's sessions begin with.
func (k keyspace) prefix(app string) string { return k.ns + app + ":" }

// wipe is the zset "app:token:id" by the time from which each may be wiped.
func (k keyspace) wipe() string { return k.ns + "SESSIONS" }

// cache is the channel on which ended and changed sessions are told.
func (k keyspace) cache() string { return k.ns + "cache" }

// Package layout says where in Redis the sessions of an app are: the names of
// keys, the buckets of an app and the hash slots of a Redis Cluster. It knows no
// Redis client. docs/redis.md describes both layouts.
package layout

import "strings"

// Keyspace builds the names that are the same in both layouts.
type Keyspace struct {
	// NS is the namespace with its colon, as in "drs:".
	NS string
}

// ClassicWipe is the zset "app:token:id" of the classic layout, of all apps.
func (k Keyspace) ClassicWipe() string { return k.NS + "SESSIONS" }

// Probe is the key that a probe writes to one Redis.
func (k Keyspace) Probe() string { return k.NS + "probe" }

// Layout names the keys of an app's sessions. In the classic layout, shared with
// redis-sessions, an app is one bucket; in the sharded one, for Redis Cluster, it is
// split into several.
type Layout struct {
	Keyspace
	// tags is nil in the classic layout, wipe is its ClassicWipe.
	tags *tagCache
	wipe string
}

// Classic returns the layout of one Redis. ns ends with a colon.
func Classic(ns string) Layout {
	k := Keyspace{NS: ns}
	return Layout{Keyspace: k, wipe: k.ClassicWipe()}
}

// Sharded returns the layout of a Redis Cluster, with so many buckets for each app.
func Sharded(ns string, buckets int) Layout {
	return Layout{Keyspace: Keyspace{NS: ns}, tags: newTagCache(ns, buckets)}
}

// Sharded reports whether this is the layout of a Redis Cluster.
func (l Layout) Sharded() bool { return l.tags != nil }

// Bucket is a share of an app's users. All its keys are in one slot.
type Bucket struct {
	// Prefix begins its keys: "ns:app:", or "ns:{app.tag}:". Its memory is the
	// package's own, and App is a piece of it.
	Prefix, App string
	// Wipe is the zset "app:token:id" by the time from which each may be wiped.
	Wipe string
	// Slot is the hash slot of its keys; 0 in the classic layout.
	Slot int
}

// OfToken returns the bucket of a session.
func (l Layout) OfToken(app, token string) Bucket {
	if !l.Sharded() {
		return l.classic(app)
	}
	return l.tags.of(app)[l.tags.ofToken(token)]
}

// OfID returns the bucket of a user's sessions.
func (l Layout) OfID(app, id string) Bucket {
	if !l.Sharded() {
		return l.classic(app)
	}
	return l.tags.of(app)[l.tags.ofID(id)]
}

// Buckets returns all buckets of an app.
func (l Layout) Buckets(app string) []Bucket {
	if !l.Sharded() {
		return []Bucket{l.classic(app)}
	}
	return l.tags.of(app)
}

// Belongs reports whether a session of the user can be kept under the token: in the
// sharded layout, only if both lead to the same bucket.
func (l Layout) Belongs(token, id string) bool {
	return !l.Sharded() || l.tags.ofToken(token) == l.tags.ofID(id)
}

func (l Layout) classic(app string) Bucket {
	prefix := l.NS + app + ":"
	return Bucket{Prefix: prefix, App: prefix[len(l.NS) : len(prefix)-1], Wipe: l.wipe}
}

// WipeOf returns the wipe index of the bucket with the prefix.
func (l Layout) WipeOf(prefix string) string {
	if l.Sharded() {
		return prefix + "SESSIONS"
	}
	return l.wipe
}

// AppOf returns the app of the bucket with the prefix.
func (l Layout) AppOf(prefix string) string {
	if l.Sharded() {
		return prefix[len(l.NS)+len("{") : strings.LastIndexByte(prefix, '.')]
	}
	return prefix[len(l.NS) : len(prefix)-1]
}

// State is the hash in which a migration into this namespace keeps its progress.
func (l Layout) State() string {
	if l.Sharded() {
		return registryBuckets(l.NS)[0].Prefix + "migration"
	}
	return l.NS + "migration"
}

// Session is the hash of one session.
func (b Bucket) Session(token string) string { return b.Prefix + token }

// Token returns the token in a session's key, in the key's memory.
func (b Bucket) Token(key string) string { return key[len(b.Prefix):] }

// Cache is the channel on which other servers learn which of the bucket's sessions ended
// or changed: ns:cache, as Node servers know it, or one in the bucket's slot.
func (b Bucket) Cache() string { return strings.TrimSuffix(b.Wipe, "SESSIONS") + "cache" }

// Sessions is the zset "token:id" by last activity.
func (b Bucket) Sessions() string { return b.Prefix + "_sessions" }

// Users is the zset of user ids by last activity.
func (b Bucket) Users() string { return b.Prefix + "_users" }

// User is the set of a user's tokens.
func (b Bucket) User(id string) string { return b.Prefix + "us:" + id }

// Migrated is the hash that notes what a migration copied into the bucket: see
// import.lua.
func (b Bucket) Migrated() string { return b.Prefix + "migrated" }

// Missing is a key of the bucket that never exists: see Guard.
func Missing(prefix string) string { return prefix + "none" }

// Guard appends to a script's keys, in the sharded layout, one that never exists.
//
// While a slot moves, each of two nodes has some of its keys, and a script could take
// an undeclared key for missing. With a declared key missing, Redis answers TRYAGAIN
// before the script begins. So a script runs where the slot is complete, or not at all.
func (k Keyspace) Guard(keys []string) []string {
	if !k.sharded(keys[0]) {
		return keys
	}
	end := len(k.NS) + strings.IndexByte(keys[0][len(k.NS):], '}')
	return append(keys[:len(keys):len(keys)], Missing(keys[0][:end]+"}:"))
}

// sharded reports whether a key is of the sharded layout: no app has a brace.
func (k Keyspace) sharded(key string) bool { return len(key) > len(k.NS) && key[len(k.NS)] == '{' }

// ValidNamespace reports whether ns can begin the keys of the sharded layout:
// braces in it would take the place of ours.
func ValidNamespace(ns string) bool { return !strings.ContainsAny(ns, "{}") }

package redis

import "strings"

// keyspace builds the names that are the same in both layouts.
type keyspace struct {
	// ns is the namespace with its colon, as in "drs:".
	ns string
}

// classicWipe is the zset "app:token:id" of the classic layout, of all apps.
func (k keyspace) classicWipe() string { return k.ns + "SESSIONS" }

// layout says where the sessions of an app are (see docs/redis.md): in
// the classic layout, shared with redis-sessions, all in one part; in the sharded
// one, for Redis Cluster, in a part for each bucket.
type layout struct {
	keyspace
	// tags is nil in the classic layout.
	tags *tagCache
}

func (l layout) sharded() bool { return l.tags != nil }

// cache is the channel on which Node servers hear of sessions that ended or changed,
// or "" in the sharded layout: they cannot use it, and a cluster passes each message on
// to all its nodes, which was more than half of what a set cost it.
func (l layout) cache() string {
	if l.sharded() {
		return ""
	}
	return l.ns + "cache"
}

// part is a part of an app. All its keys are in one slot.
type part struct {
	// prefix is what its keys begin with: "ns:app:", or "ns:{app.tag}:". It is our
	// own memory, and app is a piece of it.
	prefix, app string
	// wipe is the zset "app:token:id" by the time from which each may be wiped.
	wipe string
	// slot is that of its keys; 0 in the classic layout.
	slot int
}

// ofToken is the part that a session is in.
func (l layout) ofToken(app, token string) part {
	if !l.sharded() {
		return l.classic(app)
	}
	return l.tags.of(app)[l.tags.bucketOfToken(token)]
}

// ofID is the part that a user's sessions are in.
func (l layout) ofID(app, id string) part {
	if !l.sharded() {
		return l.classic(app)
	}
	return l.tags.of(app)[l.tags.bucketOfID(id)]
}

// parts are all those of an app.
func (l layout) parts(app string) []part {
	if !l.sharded() {
		return []part{l.classic(app)}
	}
	return l.tags.of(app)
}

func (l layout) classic(app string) part {
	prefix := l.ns + app + ":"
	return part{prefix: prefix, app: prefix[len(l.ns) : len(prefix)-1], wipe: l.classicWipe()}
}

// wipeOf is the wipe index of the part whose keys begin with prefix.
func (l layout) wipeOf(prefix string) string {
	if l.sharded() {
		return prefix + "SESSIONS"
	}
	return l.classicWipe()
}

// appOf is the app of the part whose keys begin with prefix.
func (l layout) appOf(prefix string) string {
	if l.sharded() {
		return prefix[len(l.ns)+len("{") : strings.LastIndexByte(prefix, '.')]
	}
	return prefix[len(l.ns) : len(prefix)-1]
}

// session is the hash of one session.
func (p part) session(token string) string { return p.prefix + token }

// token returns the token in a session's key: its memory is the key's.
func (p part) token(key string) string { return key[len(p.prefix):] }

// sessions is the zset "token:id" by last activity.
func (p part) sessions() string { return p.prefix + "_sessions" }

// users is the zset of user ids by last activity.
func (p part) users() string { return p.prefix + "_users" }

// user is the set of a user's tokens.
func (p part) user(id string) string { return p.prefix + "us:" + id }

// whole appends to a script's keys, in the sharded layout, one that never exists.
//
// While a slot moves from one node to another, each of them has some of its keys.
// What a script meets there but could not declare, it takes for missing, or it
// fails with half its work done. With a declared key missing, Redis answers
// TRYAGAIN on both nodes before the script has begun. So scripts run where the slot
// is whole, or not at all.
func (s *Store) whole(keys []string) []string {
	if s.zoneOf(keys[0]) == classicZone {
		return keys
	}
	end := len(s.keys.ns) + strings.IndexByte(keys[0][len(s.keys.ns):], '}')
	return append(keys[:len(keys):len(keys)], keys[0][:end]+"}:none")
}

// validNamespace reports whether ns can begin the keys of the sharded layout:
// braces in it would take the place of ours.
func validNamespace(ns string) bool { return !strings.ContainsAny(ns, "{}") }

package layout

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"

	"rest-sessions/store"
)

// DefaultBuckets is how many buckets an app is split into on a Redis Cluster.
const DefaultBuckets = 64

// bucketsOf makes the buckets of an app, by number.
// Bucket b of B has the least number in its tag with which its slot is in the b-th of B
// equal ranges, so equal nodes have equal shares of every app, to within two buckets. With
// b itself, 60 of 100 apps had a node over 10% off. Keys are named so: never change it.
func bucketsOf(ns, app string, count int) []Bucket {
	buckets := make([]Bucket, count)
	before := ns + "{" + app + "."
	base := checksum(0, app+".")
	var digits [20]byte
	for n, left := 0, count; left > 0; n++ {
		number := strconv.AppendInt(digits[:0], int64(n), 10)
		slot := int(checksum(base, number)) % Slots
		b := &buckets[slot*count/Slots]
		if b.Prefix != "" {
			continue
		}
		// One piece of memory holds the wipe index' name and what it begins with.
		b.Wipe = before + string(number) + "}:SESSIONS"
		b.Prefix = strings.TrimSuffix(b.Wipe, "SESSIONS")
		b.App = b.Prefix[len(ns)+1:][:len(app)]
		b.Slot = slot
		left--
	}
	return buckets
}

// tagCache keeps the buckets of the apps in use. It is safe for concurrent use.
type tagCache struct {
	ns    string
	count int // of buckets of each app

	mu   sync.RWMutex
	apps map[string][]Bucket
}

// maxCached bounds the buckets in a tagCache, some 6 MB, since a client can name any
// app. To make those of one takes 5 us for 64 buckets, 150 us for 1024.
const maxCached = 1 << 16

func newTagCache(ns string, count int) *tagCache {
	return &tagCache{ns: ns, count: count, apps: make(map[string][]Bucket)}
}

// of returns the buckets of an app, by number. It keeps no reference to app.
func (c *tagCache) of(app string) []Bucket {
	c.mu.RLock()
	buckets := c.apps[app]
	c.mu.RUnlock()
	if buckets != nil {
		return buckets
	}
	buckets = bucketsOf(c.ns, app, c.count)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.apps) >= maxCached/c.count {
		for other := range c.apps { // any
			delete(c.apps, other)
			break
		}
	}
	c.apps[buckets[0].App] = buckets
	return buckets
}

func (c *tagCache) ofID(id string) int       { return store.Bucket(id) % c.count }
func (c *tagCache) ofToken(token string) int { return store.TokenBucket(token) % c.count }

// ValidBuckets reports whether an app can be split into n buckets: a power of two
// that divides the number that tokens carry.
func ValidBuckets(n int) bool { return n > 0 && n <= store.Buckets && bits.OnesCount(uint(n)) == 1 }

package redis

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"

	"rest-sessions/store"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// crc16 is the table of CRC-16/XMODEM, which Redis Cluster takes a key's slot from
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
var crc16 = func() (table [256]uint16) {
	for i := range table {
		c := uint16(i) << 8
		for range 8 {
			carry := c >> 15
			c = c<<1 ^ carry*0x1021
		}
		table[i] = c
	}
	return table
}()

// sum goes on with the checksum c over text.
func sum[T string | []byte](c uint16, text T) uint16 {
	for i := 0; i < len(text); i++ {
		c = c<<8 ^ crc16[byte(c>>8)^text[i]]
	}
	return c
}

// partsOf makes the parts of an app, by bucket.
//
// The tag of a bucket is the app and a number, which is not the bucket's own: with
// that, 64 buckets fall on 3 nodes as so many dice do, and 60 of 100 apps had a
// node with over 10% too many or too few. So bucket b of B has the least number
// with which the tag falls in the b-th of B equal ranges of slots. Nodes with
// equal shares of the slots then have equal shares of the buckets, to within two,
// in every app. This rule may never change: keys are named by it.
func partsOf(ns, app string, buckets int) []part {
	parts := make([]part, buckets)
	before := ns + "{" + app + "."
	base := sum(0, app+".")
	var digits [20]byte
	for n, left := 0, buckets; left > 0; n++ {
		number := strconv.AppendInt(digits[:0], int64(n), 10)
		slot := int(sum(base, number)) % slots
		p := &parts[slot*buckets/slots]
		if p.prefix != "" {
			continue
		}
		// One piece of memory holds the wipe index' name and what it begins with.
		p.wipe = before + string(number) + "}:SESSIONS"
		p.prefix = strings.TrimSuffix(p.wipe, "SESSIONS")
		p.app = p.prefix[len(ns)+1:][:len(app)]
		p.slot = slot
		left--
	}
	return parts
}

// tagCache keeps the parts of the apps in use. It is safe for concurrent use.
type tagCache struct {
	ns      string
	buckets int

	mu   sync.RWMutex
	apps map[string][]part
}

// maxCached bounds the parts in a tagCache, some 6 MB, since a client can name any
// app. To make those of one takes 5 us for 64 buckets, 150 us for 1024.
const maxCached = 1 << 16

func newTagCache(ns string, buckets int) *tagCache {
	return &tagCache{ns: ns, buckets: buckets, apps: make(map[string][]part)}
}

// of returns the parts of an app, by bucket. It keeps no reference to app.
func (c *tagCache) of(app string) []part {
	c.mu.RLock()
	parts := c.apps[app]
	c.mu.RUnlock()
	if parts != nil {
		return parts
	}
	parts = partsOf(c.ns, app, c.buckets)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.apps) >= maxCached/c.buckets {
		for other := range c.apps { // any
			delete(c.apps, other)
			break
		}
	}
	c.apps[parts[0].app] = parts
	return parts
}

func (c *tagCache) bucketOfID(id string) int       { return store.Bucket(id) % c.buckets }
func (c *tagCache) bucketOfToken(token string) int { return store.TokenBucket(token) % c.buckets }

// validBuckets reports whether an app can be split into n buckets: a power of two
// that divides the number that tokens carry.
func validBuckets(n int) bool { return n > 0 && n <= store.Buckets && bits.OnesCount(uint(n)) == 1 }

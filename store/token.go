package store

import (
	"crypto/rand"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// Buckets is the number of user buckets that a token can name: ten bits. A
// layout that splits apps uses a power of two of them, at most this many.
const Buckets = 1024

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62Digit is the inverse of base62, indexed by character.
var base62Digit = func() (d [256]uint32) {
	for i := range base62 {
		d[base62[i]] = uint32(i)
	}
	return d
}()

// Bucket returns the bucket of a user's id: XXH64 of the id with seed 0, modulo
// Buckets. It is stored in every token, so it never changes.
func Bucket(id string) int { return int(xxhash.Sum64String(id) % Buckets) }

// TokenBucket returns the bucket that a token carries: that of its user's id if
// the token is from NewToken. Any valid token names one.
func TokenBucket(token string) int {
	return int(base62Digit[token[0]]*62+base62Digit[token[1]]) % Buckets
}

// NewToken makes the token of a new session of the user id. Its first two characters carry
// the user's bucket: 3844 values, of which three or four name each bucket; one of them is
// taken at random. The other 62 are uniform over [A-Za-z0-9], from crypto/rand: 369 bits,
// where OWASP and NIST SP 800-63B ask for 64.
func NewToken(id string) string { return newToken(Bucket(id)) }

// NewTokenLike makes another token for the session that has this one, which begins
// alike: so it carries the same bucket, and the session keeps its place in lists,
// which a cursor remembers by that (see CursorTokenLen). The other 48 characters, 285
// bits, tell nothing of each other.
func NewTokenLike(token string) string {
	return token[:CursorTokenLen] + newToken(0)[CursorTokenLen:]
}

func newToken(bucket int) string {
	pool := entropyPool.Get().(*entropy)
	var t [TokenLen]byte
	v := uint16(62 * 62)
	for v >= 62*62 { // buckets from 772 up have no fourth
		v = uint16(bucket) + Buckets*uint16(pool.next()&3)
	}
	t[0], t[1] = base62[v/62], base62[v%62]
	for i := 2; i < TokenLen; {
		// 248 = 4*62: bytes from there on would favour the first characters.
		if b := pool.next(); b < 248 {
			t[i] = base62[b%62]
			i++
		}
	}
	entropyPool.Put(pool)
	return string(t[:])
}

// entropy is a buffer of bytes from crypto/rand. Asking for 4 KiB at a time
// makes a token a third cheaper than asking for each.
type entropy struct {
	buf  [4096]byte
	used int
}

var entropyPool = sync.Pool{New: func() any { return &entropy{used: 4096} }}

// next returns a byte that nobody else gets, and forgets it.
func (e *entropy) next() byte {
	if e.used == len(e.buf) {
		rand.Read(e.buf[:]) // never fails: it ends the process rather than return an error
		e.used = 0
	}
	b := e.buf[e.used]
	e.buf[e.used] = 0
	e.used++
	return b
}

// Package pseudonym replaces what a log must not show, such as the id of a user, by a
// short text that is the same for the same value, and from which nobody without the key
// can find the value.
package pseudonym

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
)

const (
	// MinKey and MaxKey bound the length of a key in bytes. The IPv4 addresses can all be
	// tried, so the key is all that protects them: 32 hex digits at least.
	MinKey, MaxKey = 32, 256

	// prefix marks a pseudonym, so that it is not taken for an id.
	prefix = "h:"
	// size is how many bytes of the hash a pseudonym shows. Among a million values, two
	// have the same 64 bits with a probability of 3 in 10^8.
	size = 8
)

// Maker makes pseudonyms: "h:" and the first 16 hex digits of the HMAC-SHA-256 of the
// value. It is safe for concurrent use, also with SetKey. A nil *Maker hides nothing.
type Maker struct{ hashes atomic.Pointer[sync.Pool] }

// New makes a Maker with a key, one made at random if it is empty.
func New(key string) (*Maker, error) {
	m := new(Maker)
	if key == "" {
		key = rand.Text() + rand.Text()
	}
	return m, m.SetKey(key)
}

// SetKey changes the key from the next pseudonym on. The error does not quote it.
func (m *Maker) SetKey(key string) error {
	if n := len(key); n < MinKey || n > MaxKey {
		return fmt.Errorf("it must have %d to %d characters: openssl rand -hex 32 makes one", MinKey, MaxKey)
	}
	m.hashes.Store(&sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(key)) }})
	return nil
}

// Append appends the pseudonym of value. It does not allocate beyond b.
func (m *Maker) Append(b, value []byte) []byte {
	hashes := m.hashes.Load()
	h := hashes.Get().(hash.Hash)
	h.Reset()
	h.Write(value)
	b = append(b, prefix...)
	// The whole sum needs space, for which the end of b is taken.
	start := len(b)
	b = h.Sum(b)
	hashes.Put(h)
	var short [size]byte
	copy(short[:], b[start:])
	return hex.AppendEncode(b[:start], short[:])
}

// Text returns the pseudonym of value, or value itself without a Maker.
func (m *Maker) Text(value string) string {
	if m == nil {
		return value
	}
	return string(m.Append(nil, []byte(value)))
}

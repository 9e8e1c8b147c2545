// Package apikey holds the keys that let programs use the server, as hashes, and
// reads the text that lists them.
package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"iter"
	"slices"
	"strings"
)

// Role is what a key is for. Which routes that is, the caller knows. The constants can
// be added up to a set of roles.
type Role uint8

const (
	Full     Role = 1 << iota // all that there is
	ReadOnly                  // to read; a get is a read, although it counts itself
	Web                       // what a web tier does for its visitors
	Auth                      // to ask whether a visitor has a session
)

// Key is what one key allows.
type Key struct {
	// Name is for people: which program has the key.
	Name string
	// Role is the one role that the key has.
	Role Role

	apps []string // nil for all
	hash [sha256.Size]byte
}

// Covers reports whether the key may use the sessions of an app.
func (k *Key) Covers(app string) bool {
	return k.apps == nil || slices.Contains(k.apps, app)
}

// Apps returns the apps whose sessions the key may use, nil for all.
func (k *Key) Apps() []string { return slices.Clone(k.apps) }

// String is the entry of the list without the key: name, apps and role.
func (k *Key) String() string {
	text := k.Name
	if k.apps != nil {
		text += "@" + strings.Join(k.apps, ",")
	}
	for name, role := range roles {
		if role == k.Role {
			text += "!" + name
		}
	}
	return text
}

// Set is a set of keys. It does not change, so it is safe for concurrent use.
type Set struct{ keys []Key }

// Len returns how many keys there are.
func (s *Set) Len() int { return len(s.keys) }

// All hands out the keys in the order of the list.
func (s *Set) All() iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		for i := range s.keys {
			if !yield(&s.keys[i]) {
				return
			}
		}
	}
}

// Find returns the key with this text, nil if there is none. It does not allocate and
// keeps nothing of text. Its time depends on the length of text and the number of keys
// alone: it compares all bytes of the text's hash with those of every key.
func (s *Set) Find(text []byte) *Key {
	if len(text) < MinLen || len(text) > MaxLen {
		return nil
	}
	// Not a slow hash: Parse takes no key that could be guessed.
	hash := sha256.Sum256(text)
	found := -1
	for i := range s.keys {
		equal := subtle.ConstantTimeCompare(s.keys[i].hash[:], hash[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	if found < 0 {
		return nil
	}
	return &s.keys[found]
}

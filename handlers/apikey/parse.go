package apikey

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rest-sessions/store"
)

const (
	// MinLen and MaxLen bound a key, in characters. 32 characters are 128 bits if
	// they are hex digits, and more of any other alphabet.
	MinLen, MaxLen = 32, 256
	// maxKeys bounds a set: a request is compared with all of them, at some 12 ns
	// each.
	maxKeys = 256
	// maxName is shorter than a key, so that one that stands in the place of the
	// name is found out.
	maxName = MinLen - 1
	// minDistinct is how many different characters a key has at least. Of 32
	// random hex digits, fewer than 8 differ once in 28 million.
	minDistinct = 8
)

// roles are what may follow the ! of an entry.
var roles = map[string]Role{"ro": ReadOnly, "web": Web, "auth": Auth}

// errRole names them all.
var errRole = errors.New("its role is unknown; there are !ro (read-only), !web (what a web tier needs) and !auth (auth alone), right before the colon")

// Parse reads a list of keys, entries name[@app,app][!role]:key with white space,
// semicolons or commas between them; docs/configuration.md has the grammar. Without apps a
// key is for all, without a role it has the role Full. The error has a line for each
// mistake, with the number of the entry and never its text, which may be a key. A list
// without a key is an error: a file that could not be filled must not open the server.
func Parse(text string) (*Set, error) {
	s := &Set{}
	var problems []error
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for rest := range strings.FieldsFuncSeq(line, isSeparator) {
			for rest != "" {
				var entry string
				entry, rest = cutEntry(rest)
				number++
				key, err := parseEntry(entry)
				if err == nil {
					err = s.add(key)
				}
				if err != nil {
					problems = append(problems, fmt.Errorf("entry %d: %w", number, err))
				}
			}
		}
	}
	if number == 0 {
		problems = append(problems, errors.New("there is no key in it"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return s, nil
}

func isSeparator(r rune) bool {
	return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == ';'
}

// cutEntry cuts an entry off text at the first comma after its colon.
func cutEntry(text string) (entry, rest string) {
	colon := strings.IndexByte(text, ':')
	if colon < 0 {
		return text, ""
	}
	head, tail := text[:colon+1], text[colon+1:]
	key, rest, _ := strings.Cut(tail, ",")
	return head + key, rest
}

func parseEntry(entry string) (Key, error) {
	head, text, ok := strings.Cut(entry, ":")
	if !ok {
		return Key{}, errors.New("it has no colon between name and key")
	}
	var k Key
	head, role, given := strings.Cut(head, "!")
	k.Role = Full
	if given {
		if k.Role = roles[role]; k.Role == 0 {
			return Key{}, errRole
		}
	}
	name, apps, scoped := strings.Cut(head, "@")
	if !validName(name) {
		return Key{}, fmt.Errorf("its name must be 1 to %d of A-Z a-z 0-9 . _ -", maxName)
	}
	k.Name = name
	if scoped {
		k.apps = strings.Split(apps, ",")
		for _, app := range k.apps {
			if !store.ValidApp(app) {
				return Key{}, errors.New("what follows the @ must be apps, with commas between them")
			}
		}
	}
	if !validText(text) {
		return Key{}, fmt.Errorf("its key must be %d to %d of A-Z a-z 0-9 - . _ ~ + / and = at the end", MinLen, MaxLen)
	}
	if distinct(text) < minDistinct {
		return Key{}, fmt.Errorf("its key has fewer than %d different characters: make it at random", minDistinct)
	}
	k.hash = sha256.Sum256([]byte(text))
	return k, nil
}

// add adds k, unless its name or its key is there already.
func (s *Set) add(k Key) error {
	switch {
	case slices.ContainsFunc(s.keys, func(o Key) bool { return o.Name == k.Name }):
		return errors.New("its name is that of an entry before it")
	case slices.ContainsFunc(s.keys, func(o Key) bool { return o.hash == k.hash }):
		return errors.New("its key is that of an entry before it")
	case len(s.keys) == maxKeys:
		return fmt.Errorf("there are over %d keys", maxKeys)
	}
	s.keys = append(s.keys, k)
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func validName(name string) bool {
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && strings.IndexByte("._-", name[i]) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func validText(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		if !isAlphanumeric(body[i]) && strings.IndexByte("-._~+/", body[i]) < 0 {
			return false
		}
	}
	return MinLen <= len(text) && len(text) <= MaxLen
}

func distinct(text string) int {
	var seen [256]bool
	n := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			n++
		}
	}
	return n
}

package store

import "unicode/utf8"

// Limits of what a session is made from. Lengths are in characters (Unicode
// code points). The original's names and numbers, but for the longest ip:
// redis-sessions takes 39, an IPv4-mapped IPv6 address needs 45.
const (
	MinAppLen   = 3
	MaxAppLen   = 20
	TokenLen    = 64
	MaxIDLen    = 128
	MaxIPLen    = 45
	MinTTL      = 10                  // seconds
	DefaultTTL  = 7200                // seconds
	MaxTTL      = 999_999_999_999_999 // seconds; 15 digits, so that now+ttl is exact in Lua's doubles
	MinActivity = 10                  // seconds; the shortest dt

	MinMaxData     = 1024      // bytes of a session's data; the lowest limit
	DefaultMaxData = 65_536    // the limit when nothing is said
	MaxMaxData     = 1_048_576 // the highest limit

	MaxUserSessions = 100 // the highest cap; so many a create can look at in one step
	DefaultGrace    = 10  // seconds
	MaxGrace        = 60  // seconds
)

// ValidApp reports whether s is an app's name: [A-Za-z0-9_-]{3,20}.
func ValidApp(s string) bool {
	if len(s) < MinAppLen || len(s) > MaxAppLen {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return true
}

// ValidToken reports whether s has the form of a token: [A-Za-z0-9]{64}.
func ValidToken(s string) bool {
	if len(s) != TokenLen {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) {
			return false
		}
	}
	return true
}

// ValidID reports whether s may be a user's id: 1 to 128 characters of valid
// UTF-8 without line breaks.
func ValidID(s string) bool { return validText(s, MaxIDLen) }

// ValidIP reports whether s may be a session's ip: 1 to 45 characters of valid
// UTF-8 without line breaks. As in the original, it need not be an address.
func ValidIP(s string) bool { return validText(s, MaxIPLen) }

func validText(s string, maxLen int) bool {
	// The line breaks are those of ECMAScript, which the original's patterns
	// refuse: LF, CR, U+2028, U+2029.
	if s == "" || len(s) > maxLen*utf8.UTFMax {
		return false
	}
	characters := 0
	for i, r := range s {
		switch r {
		case '\n', '\r', '\u2028', '\u2029':
			return false
		case utf8.RuneError: // of three bytes, or one for what is no UTF-8
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		characters++
	}
	return characters <= maxLen
}

// alnum holds true for [A-Za-z0-9].
var alnum = func() (is [256]bool) {
	for i := range base62 {
		is[base62[i]] = true
	}
	return is
}()

func isAlnum(c byte) bool { return alnum[c] }

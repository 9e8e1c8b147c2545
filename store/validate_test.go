package store_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"rest-sessions/store"
)

// The patterns that the validators stand for: the original's, with any line break
// of ECMAScript spelled out. Text must be UTF-8 besides, which a Go pattern does
// not ask.
var (
	appPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{3,20}$`)
	tokenPattern = regexp.MustCompile(`^[A-Za-z0-9]{64}$`)
	idPattern    = regexp.MustCompile(`^[^\n\r\x{2028}\x{2029}]{1,128}$`)
	ipPattern    = regexp.MustCompile(`^[^\n\r\x{2028}\x{2029}]{1,45}$`)
)

// texts are near the edges of one pattern or another.
var texts = []string{
	"", "a", "ab", "abc", "ABC", "a-b", "a_b", "---", "a.b", "a b", "a:b", "a/b", "abc\n", "\nabc", "abc\r", "a\x00b", "é", "abé",
	"😀", "\u2028", "a\u2029b", "\u0085", "\v", "\f", "\t", "\xff", "abc\xff", "\xed\xa0\x80", "\xc0\x80", "\ufffd", "@[`{/:",
	strings.Repeat("a", 19), strings.Repeat("a", 20), strings.Repeat("a", 21), strings.Repeat("_", 20),
	strings.Repeat("a", 44), strings.Repeat("a", 45), strings.Repeat("a", 46),
	strings.Repeat("a", 63), strings.Repeat("Z", 64), strings.Repeat("9", 64), strings.Repeat("a", 65),
	strings.Repeat("a", 63) + "-", strings.Repeat("a", 63) + "_", strings.Repeat("a", 63) + "\n", strings.Repeat("a", 62) + "é",
	strings.Repeat("a", 64) + "\n", strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("a", 128) + "\n",
	strings.Repeat("😀", 45), strings.Repeat("😀", 46), strings.Repeat("😀", 128), strings.Repeat("😀", 129),
	strings.Repeat("😀", 127) + "\n", strings.Repeat("😀", 127) + "\xf0", strings.Repeat("e\u0301", 64),
}

func checkValid(t *testing.T, s string) {
	t.Helper()
	if got, want := store.ValidApp(s), appPattern.MatchString(s); got != want {
		t.Errorf("ValidApp(%q) = %v, want %v", s, got, want)
	}
	if got, want := store.ValidToken(s), tokenPattern.MatchString(s); got != want {
		t.Errorf("ValidToken(%q) = %v, want %v", s, got, want)
	}
	if got, want := store.ValidID(s), utf8.ValidString(s) && idPattern.MatchString(s); got != want {
		t.Errorf("ValidID(%q) = %v, want %v", s, got, want)
	}
	if got, want := store.ValidIP(s), utf8.ValidString(s) && ipPattern.MatchString(s); got != want {
		t.Errorf("ValidIP(%q) = %v, want %v", s, got, want)
	}
}

func TestValid(t *testing.T) {
	for _, s := range texts {
		checkValid(t, s)
	}
	for c := range 256 {
		checkValid(t, "ab"+string([]byte{byte(c)}))
		checkValid(t, strings.Repeat("a", 31)+string([]byte{byte(c)})+strings.Repeat("a", 32))
	}
	// That the patterns themselves are right.
	for _, valid := range []bool{
		store.ValidApp("my-App_1"), store.ValidToken(strings.Repeat("aZ09", 16)), store.ValidID("a:b/c 😀\x00"),
		store.ValidIP("::ffff:255.255.255.255"), !store.ValidApp("my.app"), !store.ValidID("a\nb"), !store.ValidIP("a\u2028"),
	} {
		if !valid {
			t.Error("a validator is wrong about a plain example")
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(checkValid)
}

// FuzzToken makes tokens: of any id they carry its bucket, and so does what rotates
// them. And no bytes make TokenBucket fail once they are a valid token.
func FuzzToken(f *testing.F) {
	f.Add(strings.Repeat("z", 64), "user")
	f.Add(strings.Repeat("0", 64), "")
	f.Fuzz(func(t *testing.T, text, id string) {
		if store.ValidToken(text) {
			if b := store.TokenBucket(text); b < 0 || b >= store.Buckets {
				t.Errorf("TokenBucket(%q) = %d", text, b)
			}
		}
		token := store.NewToken(id)
		next := store.NewTokenLike(token)
		if b := store.Bucket(id); !store.ValidToken(token) || !store.ValidToken(next) || store.TokenBucket(token) != b || store.TokenBucket(next) != b {
			t.Errorf("%q and then %q of %q, whose bucket is %d", token, next, id, b)
		}
		if token == next || token[:store.CursorTokenLen] != next[:store.CursorTokenLen] {
			t.Errorf("%q rotates to %q", token, next)
		}
	})
}

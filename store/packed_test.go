package store_test

import (
	"strings"
	"testing"

	"rest-sessions/store"
)

// A token comes out of its packed form as it went in, and is ordered alike.
func TestPackedToken(t *testing.T) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	texts := []string{store.NewToken("u"), store.NewToken("v"), digits + "xx"}
	for i := range digits {
		texts = append(texts, digits[i:]+digits[:i]+"xx")
	}
	for i, text := range texts {
		packed := store.PackToken(text)
		if got := packed.String(); got != text {
			t.Errorf("%s became %s", text, got)
		}
		other := store.PackToken(texts[0])
		if got, want := strings.Compare(string(packed[:]), string(other[:])), strings.Compare(text, texts[0]); got != want {
			t.Errorf("%d: %s and %s compare as %d packed, %d as texts", i, text, texts[0], got, want)
		}
	}
}

package store

import (
	"crypto/sha1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
)

// handleVector is one token's handle, worked out in Python from SHA-1 and integers.
const (
	vectorHandle = "6i3rvkCwbHo1da2Sji6cYm"
	vectorToken  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01"
)

func TestHandle(t *testing.T) {
	sum := sha1.Sum([]byte(HandleDomain + vectorToken))
	handle := Handle(vectorToken)
	if handle != vectorHandle {
		t.Errorf("handle %s, want %s", handle, vectorHandle)
	}
	if !ValidHandle(handle) || !HasHandle(vectorToken, handle) || HasHandle(NewToken("a"), handle) {
		t.Errorf("the handle %s is not known again", handle)
	}
	if got, want := HandleHash(handle), hex.EncodeToString(sum[:])[:HandleHashLen]; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { HasHandle(vectorToken, handle) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// Handles against integers of any size.
func TestHandleOfMany(t *testing.T) {
	for range 1000 {
		token := NewToken("somebody")
		sum := sha1.Sum([]byte(HandleDomain + token))
		n := new(big.Int).SetBytes(sum[:16])
		var digits [HandleLen]byte
		for i := HandleLen - 1; i >= 0; i-- {
			digit := new(big.Int)
			n.DivMod(n, big.NewInt(62), digit)
			digits[i] = base62[digit.Int64()]
		}
		if got := Handle(token); got != string(digits[:]) {
			t.Fatalf("handle of %s: %s, want %s", token, got, digits)
		}
	}
}

func TestValidHandle(t *testing.T) {
	for handle, want := range map[string]bool{
		strings.Repeat("0", 22):       true,
		"7n42DGM5Tflk9n8mt7Fhc7":      true,  // 2^128 - 1
		"7n42DGM5Tflk9n8mt7Fhc8":      false, // 2^128
		strings.Repeat("z", 22):       false,
		strings.Repeat("0", 21):       false,
		strings.Repeat("0", 23):       false,
		strings.Repeat("0", 21) + "-": false,
		"":                            false,
	} {
		if got := ValidHandle(handle); got != want {
			t.Errorf("%q: %v, want %v", handle, got, want)
		}
	}
}

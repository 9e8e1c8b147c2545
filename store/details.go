package store

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

const (
	// HandleLen is the length of a handle: 22 characters of base 62 hold 128 bits.
	HandleLen = 22
	// HandleDomain comes before the token in what a handle is the hash of. It is part
	// of each handle, so it never changes.
	HandleDomain = "rest-sessions handle "
	// HandleHashLen is the length of a HandleHash.
	HandleHashLen = 32
)

// AppendHandle appends the handle of the session whose first token is given: a public
// name of it that does not tell the token. It is the first 128 bits of the SHA-1 of
// HandleDomain and the token, which Redis can compute too, most significant digit
// first. It does not allocate.
func AppendHandle(b []byte, first string) []byte {
	sum := handleSum(first)
	hi, lo := binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])
	start := len(b)
	b = append(b, "0000000000000000000000"...)
	for i := start + HandleLen - 1; i >= start; i-- {
		var digit uint64
		hi, digit = hi/62, hi%62
		lo, digit = bits.Div64(digit, lo, 62)
		b[i] = base62[digit]
	}
	return b
}

// Handle is AppendHandle as a string.
func Handle(first string) string { return string(AppendHandle(nil, first)) }

func handleSum(first string) [sha1.Size]byte {
	var text [len(HandleDomain) + TokenLen]byte
	return sha1.Sum(append(append(text[:0], HandleDomain...), first...))
}

// ValidHandle reports whether s has the form of a handle.
func ValidHandle(s string) bool {
	_, _, ok := handleBits(s)
	return ok
}

// HandleHash returns the hash that a valid handle spells, in hexadecimal, as the first
// HandleHashLen characters of what sha1hex in Redis returns.
func HandleHash(handle string) string {
	hi, lo, _ := handleBits(handle)
	var sum [HandleHashLen / 2]byte
	binary.BigEndian.PutUint64(sum[:], hi)
	binary.BigEndian.PutUint64(sum[8:], lo)
	return hex.EncodeToString(sum[:])
}

// HasHandle reports whether the session whose first token is given has this handle.
func HasHandle(first, handle string) bool {
	var text [HandleLen]byte
	return string(AppendHandle(text[:0], first)) == handle
}

// handleBits returns the 128 bits that a handle spells.
func handleBits(s string) (hi, lo uint64, ok bool) {
	if len(s) != HandleLen {
		return 0, 0, false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) {
			return 0, 0, false
		}
		over, low := bits.Mul64(lo, 62)
		top, high := bits.Mul64(hi, 62)
		var carry uint64
		lo, carry = bits.Add64(low, uint64(base62Digit[s[i]]), 0)
		hi, carry = bits.Add64(high, over, carry)
		if top != 0 || carry != 0 {
			return 0, 0, false
		}
	}
	return hi, lo, true
}

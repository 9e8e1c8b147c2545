package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"rest-sessions/store"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Tokens that are out there carry buckets, so these never change. They were
// computed from XXH64's published definition, by another program than the library
// that we use: xxh64("a") = d24ec4f1a98c6e5b, and so on.
func TestBucketNeverChanges(t *testing.T) {
	for id, want := range map[string]int{
		"a":                                603,
		"abc":                              409,
		"user1":                            295,
		"a:b":                              534,
		"12345678":                         330,
		"mark@example.com":                 939,
		"😀":                                896,
		"\x00":                             872,
		"0123456789abcdefghijklmnopqrstuv": 738, // 32 bytes: XXH64's long loop
		strings.Repeat("x", 128):           236,
		strings.Repeat("😀", 128):           907,
	} {
		if got := store.Bucket(id); got != want {
			t.Errorf("Bucket(%.40q) = %d, want %d", id, got, want)
		}
	}
}

func TestTokenBucketNeverChanges(t *testing.T) {
	rest := strings.Repeat("x", 62)
	for start, want := range map[string]int{
		"00": 0, "01": 1, "0z": 61, "10": 62, "A0": 620, "a0": 36 * 62 % 1024, "GW": 0, "GX": 1, "zz": 3843 - 3*1024,
	} {
		if got := store.TokenBucket(start + rest); got != want {
			t.Errorf("TokenBucket(%s…) = %d, want %d", start, got, want)
		}
	}
}

func TestTokenCarriesBucket(t *testing.T) {
	for i := range 20_000 {
		id := fmt.Sprint("user:", i)
		token := store.NewToken(id)
		if !store.ValidToken(token) {
			t.Fatalf("NewToken(%q) = %q, which is not valid", id, token)
		}
		if got, want := store.TokenBucket(token), store.Bucket(id); got != want {
			t.Fatalf("%s carries bucket %d, its user's is %d", token, got, want)
		}
	}
}

// chiSquare returns the chi-square statistic of counts that should be equal.
func chiSquare(counts []int) float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	expected := float64(total) / float64(len(counts))
	sum := 0.0
	for _, n := range counts {
		sum += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	return sum
}

// Of 62 equally likely characters the statistic has 61 degrees of freedom: it
// exceeds 175 with a probability below 1e-12. A generator that took bytes modulo
// 62 without leaving any out would be at some 5000 over all positions.
func TestTokenIsUniform(t *testing.T) {
	const tokens, bound = 20_000, 175
	var at [store.TokenLen][62]int
	var all [62]int
	for range tokens {
		token := store.NewToken("user")
		for i := 2; i < len(token); i++ {
			c := strings.IndexByte(base62, token[i])
			at[i][c]++
			all[c]++
		}
	}
	for i := 2; i < store.TokenLen; i++ {
		if x := chiSquare(at[i][:]); x > bound {
			t.Errorf("position %d: chi-square %.0f", i, x)
		}
	}
	if x := chiSquare(all[:]); x > bound {
		t.Errorf("all positions: chi-square %.0f", x)
	}
}

// Neighbours are independent: pairs of them are uniform, too. Of 3844 pairs the
// statistic exceeds 4500 with a probability below 1e-12.
func TestTokenNeighboursAreIndependent(t *testing.T) {
	var pairs [62 * 62]int
	for range 5_000 {
		token := store.NewToken("user")
		for i := 2; i+1 < len(token); i += 2 {
			pairs[strings.IndexByte(base62, token[i])*62+strings.IndexByte(base62, token[i+1])]++
		}
	}
	if x := chiSquare(pairs[:]); x > 4500 {
		t.Errorf("chi-square %.0f", x)
	}
}

// The first two characters take every form that names the bucket, none of them
// rarely.
func TestTokenStartsVary(t *testing.T) {
	const tokens = 4000
	for _, id := range []string{"a", "abc", "mark@example.com", "😀", "\x00"} { // buckets below 772 and above
		bucket := store.Bucket(id)
		want := map[string]bool{}
		for v := bucket; v < 62*62; v += store.Buckets {
			want[string([]byte{base62[v/62], base62[v%62]})] = true
		}
		got := map[string]int{}
		for range tokens {
			got[store.NewToken(id)[:2]]++
		}
		for start := range want {
			// A quarter is expected at least: 1000, with a deviation of 27.
			if got[start] < 750 {
				t.Errorf("bucket %d: %d tokens of %d start with %s", bucket, got[start], tokens, start)
			}
		}
		if len(got) != len(want) {
			t.Errorf("bucket %d: %d starts, want %d", bucket, len(got), len(want))
		}
	}
}

// A token like another, from whoever, begins like it, so that it names the same bucket
// and has the same place in lists, and goes on in its own way.
func TestNewTokenLike(t *testing.T) {
	for range 1000 {
		old := store.NewToken("user")
		a, b := store.NewTokenLike(old), store.NewTokenLike(old)
		for _, pair := range [][2]string{{old, a}, {old, b}, {a, b}} {
			x, y := pair[0], pair[1]
			if !store.ValidToken(y) || x[:store.CursorTokenLen] != y[:store.CursorTokenLen] || store.TokenBucket(x) != store.TokenBucket(y) {
				t.Fatalf("%s for %s", y, x)
			}
			same := 0
			for i := store.CursorTokenLen; i < store.TokenLen; i++ {
				if x[i] == y[i] {
					same++
				}
			}
			if same > 12 { // one of 62 is expected, of 48; 13 are once in 10^12 pairs
				t.Errorf("%s and %s have %d characters in common after their beginning", x, y, same)
			}
		}
	}
}

// Tokens made at once share no random bytes: not as wholes, nor in parts.
func TestTokensAreUnique(t *testing.T) {
	const makers, each = 8, 4000
	tokens := make([][]string, makers)
	var wg sync.WaitGroup
	for m := range makers {
		wg.Go(func() {
			for range each {
				tokens[m] = append(tokens[m], store.NewToken("user"))
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool, 2*makers*each)
	for _, some := range tokens {
		for _, token := range some {
			for _, part := range []string{token[2:33], token[33:]} {
				if seen[part] {
					t.Fatalf("%s came twice", part)
				}
				seen[part] = true
			}
		}
	}
}

func BenchmarkNewToken(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			store.NewToken("user")
		}
	})
}

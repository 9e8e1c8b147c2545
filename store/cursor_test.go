package store

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// cursors is one of a user's list, and two of an app's.
func cursors() []Cursor {
	return []Cursor{
		{Token: NewToken("a")[:CursorTokenLen]},
		{Start: 1_700_000_000, LastActivity: 1_699_999_999, Token: NewToken("b")[:CursorTokenLen]},
		{Start: 1, Token: strings.Repeat("z", CursorTokenLen)},
	}
}

func TestCursor(t *testing.T) {
	list := ListOfApp("app")
	for _, c := range cursors() {
		text := c.Text(list)
		if len(text) > MaxCursorLen || strings.Contains(text, c.Token) {
			t.Errorf("%+v is %q, of %d characters", c, text, len(text))
		}
		if got, err := ParseCursor(text, list); got != c || err != nil {
			t.Errorf("%+v became %+v, %v", c, got, err)
		}
		for _, other := range []string{ListOfApp("app2"), ListOfID("app", ""), ListOfID("app", "app")} {
			if got, err := ParseCursor(text, other); err != ErrCursor {
				t.Errorf("%q is a cursor of %q too: %+v, %v", text, other, got, err)
			}
		}
		for i := range text {
			for _, change := range []string{text[:i], text[:i] + "A" + text[i+1:], text[:i] + "=" + text[i+1:], text[:i] + "AAAA" + text[i:]} {
				if got, err := ParseCursor(change, list); err != ErrCursor && change != text {
					t.Errorf("%q is taken: %+v", change, got)
				}
			}
		}
	}
	if ListOfID("app", "a") == ListOfID("app", "b") {
		t.Error("two lists have one name")
	}
}

// A cursor of a later version, or with what no cursor has, is refused though its
// checksum is right.
func TestCursorOfNoForm(t *testing.T) {
	sum := func(b ...byte) string {
		s := checksum(b, "x")
		return base64.RawURLEncoding.EncodeToString(append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s)))
	}
	token := []byte("abcdefghijkl") // 12 bytes
	times := make([]byte, 16)
	with := func(version byte, fields ...[]byte) string {
		return sum(slices.Concat(append([][]byte{{version}}, fields...)...)...)
	}
	for name, text := range map[string]string{
		"version 0":         with(0, times, token),
		"version 1":         with(1, times, token),
		"version 3":         with(3, times, token),
		"short":             with(2, times, token[1:]),
		"long":              with(2, times, token, []byte{0}),
		"no token":          with(2, times, slices.Repeat([]byte{0xff}, packedToken)),
		"a negative start":  with(2, []byte{0x80}, times[1:], token),
		"a far last moment": with(2, times[:8], []byte{0x7f}, times[9:], token),
	} {
		if c, err := ParseCursor(text, "x"); err != ErrCursor {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if _, err := ParseCursor(with(2, times, token), "x"); err != nil {
		t.Errorf("the one that they are made from is refused: %v", err)
	}
}

// FuzzParseCursor: what is taken is a cursor, of that one text.
func FuzzParseCursor(f *testing.F) {
	for _, c := range cursors() {
		f.Add(c.Text(ListOfApp("app")), "app")
	}
	f.Add("", "")
	f.Add("AQ", "x")
	f.Add("\x00é", "app")
	f.Fuzz(func(t *testing.T, text, app string) {
		list := ListOfApp(app)
		c, err := ParseCursor(text, list)
		if err != nil {
			if err != ErrCursor || c != (Cursor{}) {
				t.Errorf("%q: %+v, %v", text, c, err)
			}
			// With a checksum that is right, most random bytes come further.
			b, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || len(b) != cursorLen-cursorSum {
				return
			}
			b[0] = cursorVersion
			s := checksum(b, list)
			text = base64.RawURLEncoding.EncodeToString(append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s)))
			if c, err = ParseCursor(text, list); err != nil {
				return
			}
		}
		if again := c.Text(list); again != text {
			t.Errorf("%q is the cursor %+v, whose text is %q", text, c, again)
		}
	})
}

func TestFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n, count := 1+r.IntN(20), r.IntN(200)
		first := NewTopN(n, func(a, b int) int { return a - b })
		var all []int
		for range count {
			x := r.IntN(60)
			first.Add(x)
			all = append(all, x)
			if r.IntN(10) == 0 {
				first.All()
			}
		}
		slices.Sort(all)
		want := slices.Compact(all)
		want = want[:min(n, len(want))]
		last, full := first.Last()
		if got := first.All(); !slices.Equal(got, want) || full != (len(want) == n) || full && last != want[n-1] {
			t.Fatalf("the first %d of %v are %v, want %v; the last is %d, %v", n, all, got, want, last, full)
		}
	}
}

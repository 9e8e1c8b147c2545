package apikey

import (
	"fmt"
	"strings"
	"testing"
)

// Keys of tests, each of the least length.
const (
	keyA = "aaaaaaaa0123456789abcdefghijklmn"
	keyB = "bbbbbbbb0123456789abcdefghijklmn"
	keyC = "c-._~+/c0123456789abcdefghijkl=="
)

func TestParse(t *testing.T) {
	type key struct {
		text, name string
		role       Role
		covers     string // apps, with spaces between
		not        string
	}
	for text, want := range map[string][]key{
		"web:" + keyA:                            {{keyA, "web", Full, "shop blog any", ""}},
		"web!ro:" + keyA + "\n":                  {{keyA, "web", ReadOnly, "shop blog", ""}},
		"\ufeff# of Windows\r\n" + "web:" + keyA: {{keyA, "web", Full, "shop", ""}},
		"\ufeffweb:" + keyA:                      {{keyA, "web", Full, "shop", ""}},
		"web@shop,blog:" + keyA:                  {{keyA, "web", Full, "shop blog", "news sho shops"}},
		"w@shop!ro:" + keyC:                      {{keyC, "w", ReadOnly, "shop", "blog"}},
		"a:" + keyA + ",b:" + keyB: {
			{keyA, "a", Full, "shop", ""}, {keyB, "b", Full, "shop", ""},
		},
		"w!web:" + keyA + ",n@shop!auth:" + keyB: {{keyA, "w", Web, "shop", ""}, {keyB, "n", Auth, "shop", "blog"}},
		// A comma after a key ends its entry, one before the colon does not.
		"a@shop,blog:" + keyA + ",b@news,blog!ro:" + keyB + ",": {
			{keyA, "a", Full, "shop blog", "news"}, {keyB, "b", ReadOnly, "news blog", "shop"},
		},
		"# who has which\r\n\n  a:" + keyA + "\t;; b.1_-:" + keyB + ";\r\n#c:" + keyC + "\nd:" + keyC: {
			{keyA, "a", Full, "shop", ""}, {keyB, "b.1_-", Full, "shop", ""}, {keyC, "d", Full, "shop", ""},
		},
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s.Len() != len(want) {
			t.Errorf("%q: %d keys, not %d", text, s.Len(), len(want))
		}
		for _, w := range want {
			k := s.Find([]byte(w.text))
			if k == nil {
				t.Errorf("%q: %s is not found", text, w.name)
				continue
			}
			if k.Name != w.name || k.Role != w.role {
				t.Errorf("%q: the key is %q, of role %d", text, k.Name, k.Role)
			}
			for _, app := range strings.Fields(w.covers) {
				if !k.Covers(app) {
					t.Errorf("%q: %s does not cover %s", text, w.name, app)
				}
			}
			for _, app := range strings.Fields(w.not) {
				if k.Covers(app) {
					t.Errorf("%q: %s covers %s", text, w.name, app)
				}
			}
		}
	}
}

// TestParseRefuses checks what is said of a wrong list, and that no key is quoted.
func TestParseRefuses(t *testing.T) {
	const noColon = "it has no colon"
	for text, want := range map[string]string{
		"":                                      "there is no key",
		"\n# only a comment\n;,":                "",
		"# a:" + keyA:                           "there is no key",
		keyA:                                    "entry 1: " + noColon,
		"a:" + keyA + " " + keyB:                "entry 2: " + noColon,
		"a@shop, blog:" + keyA:                  "entry 1: " + noColon,
		"a : " + keyA:                           "entry 1: " + noColon,
		keyA + ":web":                           "entry 1: its name",
		":" + keyA:                              "entry 1: its name",
		"a,b:" + keyA:                           "entry 1: its name",
		"a!rw:" + keyA:                          "entry 1: its role is unknown; there are !ro (read-only), !web (what a web tier needs) and !auth (auth alone), right before the colon",
		"a!RO:" + keyA:                          "entry 1: its role is unknown",
		"a!webs:" + keyA:                        "entry 1: its role is unknown",
		"a!ro,web:" + keyA:                      "entry 1: its role is unknown",
		"a!web!auth:" + keyA:                    "entry 1: its role is unknown",
		"a!ro!ro:" + keyA:                       "entry 1: its role is unknown",
		"a!:" + keyA:                            "entry 1: its role is unknown",
		"a@:" + keyA:                            "entry 1: what follows the @",
		"a@shop,:" + keyA:                       "entry 1: what follows the @",
		"a@sh:" + keyA:                          "entry 1: what follows the @",
		"a!ro@shop:" + keyA:                     "entry 1: its role is unknown",
		"a:" + keyA[1:]:                         "entry 1: its key must be 32 to 256",
		"a:":                                    "entry 1: its key must be",
		"a:" + strings.Repeat(keyA, 8) + "x":    "entry 1: its key must be",
		"a:" + keyA + ":x":                      "entry 1: its key must be",
		"a:" + keyA[1:] + "=x":                  "entry 1: its key must be",
		"a:" + keyA[1:] + "é":                   "entry 1: its key must be",
		"a:" + strings.Repeat("changeme", 4):    "entry 1: its key has fewer than 8 different",
		"a:" + keyA + " a:" + keyB:              "entry 2: its name is that",
		"a:" + keyA + " b:" + keyA:              "entry 2: its key is that",
		"b:" + keyA[1:] + " a@x:" + keyA + " c": "entry 1: its key must be 32 to 256 of A-Z a-z 0-9 - . _ ~ + / and = at the end\nentry 2: what follows",
	} {
		s, err := Parse(text)
		if err == nil || s != nil {
			t.Errorf("%q is taken", text)
			continue
		}
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
		if strings.Contains(err.Error(), "0123456789") || strings.Contains(err.Error(), "changeme") {
			t.Errorf("%q: the error quotes it: %v", text, err)
		}
	}
}

func TestParseBoundsKeys(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "n%d:%s%04d\n", i, keyA, i)
		}
		return b.String()
	}
	if s, err := Parse(list(maxKeys)); err != nil || s.Len() != maxKeys {
		t.Errorf("%d keys: %v", maxKeys, err)
	}
	if _, err := Parse(list(maxKeys + 1)); err == nil || !strings.Contains(err.Error(), "over 256 keys") {
		t.Errorf("one more: %v", err)
	}
}

func TestFind(t *testing.T) {
	s, err := Parse("a:" + keyA + " b:" + keyB)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "a", keyA[1:], keyA + "x", keyA + keyB, strings.ToUpper(keyA), keyC, keyA[:31] + "\x00", strings.Repeat("x", 8192)} {
		if k := s.Find([]byte(text)); k != nil {
			t.Errorf("%q is the key %s", text, k.Name)
		}
	}
	for text, name := range map[string]string{keyA: "a", keyB: "b"} {
		if k := s.Find([]byte(text)); k == nil || k.Name != name {
			t.Errorf("%s is not found", name)
		}
	}
	text := []byte(keyB)
	if n := testing.AllocsPerRun(100, func() { s.Find(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse wants that a list that is taken finds each of its keys, and that an error
// quotes nothing of a list that is not.
func FuzzParse(f *testing.F) {
	f.Add("a@shop,blog!ro:" + keyA + ",b:" + keyB + " ;\n#c\n")
	f.Add("a:" + keyA + ":,@!ro")
	f.Add("a!web:" + keyA + ",b@shop!auth:" + keyB + " c!auth!web:" + keyC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if (err == nil) == (s == nil) {
			t.Fatal("neither a set nor an error, or both")
		}
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n;,:", r) }) {
			if err != nil && len(word) >= MinLen && strings.Contains(err.Error(), word) {
				t.Errorf("the error quotes %q: %v", word, err)
			}
		}
		if s == nil {
			return
		}
		found := map[string]bool{}
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n;,:", r) }) {
			if k := s.Find([]byte(word)); k != nil {
				found[k.Name] = true
			}
		}
		if len(found) != s.Len() {
			t.Errorf("%d of %d keys are found", len(found), s.Len())
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1, 16, maxKeys} {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "n%d:%s%04d\n", i, keyA, i)
		}
		s, err := Parse(list.String())
		if err != nil {
			b.Fatal(err)
		}
		text := fmt.Appendf(nil, "%s%04d", keyA, n-1)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s.Find(text)
			}
		})
	}
}

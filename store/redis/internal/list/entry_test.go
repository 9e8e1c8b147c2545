package list

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

// TestInOrder sorts what scans found while sessions were rotated and active: some twice,
// some under two tokens.
func TestInOrder(t *testing.T) {
	const start = 1000
	var entries []Entry
	old := func(la int64) Entry { return Entry{la, store.PackToken(store.NewToken("user"))} }
	fresh := func(e Entry, la int64) Entry { return Entry{la, store.PackToken(store.NewTokenLike(e.Token.String()))} }
	var want []Entry
	for i := range int64(100) {
		e := old(start - 50 + i)
		entries = append(entries, e)
		switch i % 4 {
		case 0: // rotated twice
			entries = append(entries, fresh(e, start+10+i))
			e = fresh(e, start+100+i)
			entries = append(entries, e)
		case 1: // met again since it was active
			e.LastActivity = start + 60 + i
			entries = append(entries, e)
		}
		want = append(want, e)
	}
	got := inOrder(entries, start)
	if want = inOrder(want, start+1000); len(got) != len(want) {
		t.Fatalf("%d sessions, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("at %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// FuzzListReplies feeds the readers of found and of listed sessions what no script
// makes, and what one makes of every session; and sees that one with a first token is
// listed once under any token.
func FuzzListReplies(f *testing.F) {
	token := strings.Repeat("f", store.TokenLen)
	f.Add("1700000000"+token, token, int64(1_700_000_000))
	f.Add("1700000000"+token[1:], token[1:], int64(0))
	f.Add("1700000000"+token[1:]+"-", token[1:]+"-", int64(0))
	f.Add("-170000000"+token, "", int64(9_999_999_999))
	f.Add("+170000000"+token+"x", "-\n", int64(-1))
	f.Add("1 1 2 1 2 3 4 0\nab{}", token, int64(1))
	f.Add("1 1 0 1 2 3 4 0\nab"+token, "", int64(1))
	f.Add("-\n", "-\n", int64(1))
	f.Add("!wrong\n", "", int64(1))
	f.Fuzz(func(t *testing.T, text, after string, la int64) {
		entries, err := AppendEntries(nil, text)
		var again strings.Builder
		for _, e := range entries {
			fmt.Fprintf(&again, "%010d%s", e.LastActivity, e.Token)
		}
		var want strings.Builder
		for i := 0; i+entryLen <= len(text); i += entryLen {
			if store.ValidToken(text[i+10 : i+entryLen]) {
				want.WriteString(text[i : i+entryLen])
			}
		}
		if err == nil && again.String() != want.String() {
			t.Errorf("%q was read as %q", text, again.String())
		}
		if la >= 0 && la <= 9_999_999_999 {
			want := []Entry{{la, store.PackToken(token)}, {0, store.PackToken(token)}}
			got, err := AppendEntries(nil, fmt.Sprintf("%010d%s%010d%s", la, token, 0, token))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d: %v, %v", la, got, err)
			}
		}

		source := &Source{Client: &wire.Client{Clock: wire.Clock{Now: time.Now}}}
		r := source.reader("app", rotated)
		r.sessions([]string{token}, []string{text}) // must not panic
		r = source.reader("app", rotated)
		session := fmt.Sprintf("1 1 0 1 2 3 4 0 5 6 %d\nab%s", len(after), after)
		found, err := r.sessions([]string{"one"}, []string{session})
		if ok := after == "" || len(after) == store.TokenLen; ok != (err == nil) || ok != (len(found) == 1) {
			t.Fatalf("%q: %v, %v", after, found, err)
		}
		if err != nil || after == "" {
			return
		}
		if found, err = r.sessions([]string{"two"}, []string{session}); err != nil || len(found) != 0 {
			t.Errorf("%q is listed twice: %v, %v", after, found, err)
		}
	})
}

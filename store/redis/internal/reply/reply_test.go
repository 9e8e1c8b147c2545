package reply

import (
	"fmt"
	"strings"
	"testing"

	"rest-sessions/store"
)

// FuzzSession feeds the reader of replies what no script makes, and what one
// makes of every session.
func FuzzSession(f *testing.F) {
	f.Add("1 1 2 1 2 3 4 0\nab{}", "id", "ip", "{\"a\":1}", int64(1), int64(2))
	f.Add("5 1 0 1 2 3 4 0\nab", "", "", "", int64(-1), int64(0))
	f.Add("", "\n", " ", "", int64(1<<52), int64(7))
	f.Add("9223372036854775807 9223372036854775807 2 1 2 3 4 0\nab", "", "", "", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, text, id, ip, d string, r, ttl int64) {
		Session(text, "")    // must not panic
		const most = 1 << 53 // where Lua's doubles end
		if r < -most || r > most || ttl < -most || ttl > most {
			return
		}
		want := store.Session{ID: id, IP: ip, D: Data(d), R: r, W: 7, TTL: ttl, Idle: 3, NoResave: true}
		text = fmt.Sprintf("%d %d %d %d 7 %d 3 1\n%s%s%s", len(id), len(ip), len(d), r, ttl, id, ip, d)
		if got, err := Session(text, ""); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		want.Details = store.Details{First: strings.Repeat("t", store.TokenLen), Created: 8, Expires: r}
		text = fmt.Sprintf("%d %d %d %d 7 %d 3 1 8 %d 64\n%s%s%s%s", len(id), len(ip), len(d), r, ttl, r, id, ip, d, want.First)
		if got, err := Session(text, ""); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	})
}

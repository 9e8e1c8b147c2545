package storetest

import (
	"errors"
	"fmt"
	"strings"

	"rest-sessions/store"
)

// text returns a JSON string of so many bytes, quotes included.
func text(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }

// wantTooLarge checks that a set is refused for its size, and that the session is as it
// was, its counters and its last activity too.
func (s *suite) wantTooLarge(app, token string, d store.Data) {
	s.Helper()
	before := s.get(app, token)
	s.clock.Advance(2)
	if got, err := s.store.Set(s.ctx, app, token, d); !errors.Is(err, store.ErrTooLarge) {
		s.Errorf("Set answers %d bytes of data, w %d, %v; want ErrTooLarge", len(got.D), got.W, err)
	}
	before.R++ // that of the first get
	before.Idle = 2
	if got := s.get(app, token); got != before {
		got.D, before.D = fmt.Sprintf("%.20s… of %d bytes", got.D, len(got.D)), fmt.Sprintf("%.20s… of %d bytes", before.D, len(before.D))
		s.Errorf("session\n%+v, want\n%+v", got, before)
	}
}

// The limit is of the text that comes of a set, to the byte.
func testSetTooLarge(s *suite) {
	const most = store.DefaultMaxData
	rest := len(`{"a":` + `,"b":` + `}`)
	token := s.create("app", store.New{ID: "u", Data: data(`"a"`, text(40_000))})
	s.wantTooLarge("app", token, data(`"b"`, text(most-40_000-rest+1)))
	if got := s.set("app", token, data(`"b"`, text(most-40_000-rest))); len(got.D) != most || got.W != 2 {
		s.Errorf("%d bytes of data, w %d; want %d, 2", len(got.D), got.W, most)
	}
	s.wantTooLarge("app", token, data(`"c"`, `0`))
	s.wantTooLarge("app", token, data(`"a"`, text(40_001)))
	s.wantTooLarge("app", token, data(`"a"`, text(39_999), `"c"`, `0`))
	// What makes it no larger goes on.
	s.set("app", token, data(`"a"`, `"`+strings.Repeat("y", 39_998)+`"`))
	s.set("app", token, data(`"none"`, `null`))
	if got := s.set("app", token, data(`"b"`, `null`, `"c"`, text(20_000))); got.W != 5 {
		s.Errorf("w %d, want 5", got.W)
	}
	// By a change that is small itself, and by one that is not.
	small := s.create("app", store.New{ID: "u"})
	s.wantTooLarge("app", small, data(`"a"`, text(most)))
	s.gone("app", store.NewToken("u"))
}

// So it is when the data is 5,000 keys, and when the change is.
func testSetTooLargeInSmallKeys(s *suite) {
	var keys store.Data
	for i := range 5000 {
		keys = append(keys, store.Field{Key: fmt.Sprintf(`"%04d"`, i), Value: "12345"})
	}
	token := s.create("app", store.New{ID: "u", Data: keys})
	room := store.DefaultMaxData - len(keys.Text()) - len(`,"x":`)
	s.wantTooLarge("app", token, data(`"x"`, text(room+1)))
	want := strings.TrimSuffix(keys.Text(), "}") + `,"x":` + text(room) + "}"
	if got := s.set("app", token, data(`"x"`, text(room))); got.D != want {
		s.Errorf("%.100s… of %d bytes, want %d", got.D, len(got.D), len(want))
	}
	for i := range keys {
		keys[i].Value = "123456"
	}
	s.wantTooLarge("app", token, keys)
	for i := range keys {
		keys[i].Value = "1"
	}
	want = strings.TrimSuffix(keys.Text(), "}") + `,"x":` + text(room) + "}"
	if got := s.set("app", token, keys); got.D != want {
		s.Errorf("%.100s… of %d bytes, want %d", got.D, len(got.D), len(want))
	}
}

func testCreateTooLarge(s *suite) {
	const most = store.DefaultMaxData - len(`{"a":}`)
	token := store.NewToken("u")
	for _, d := range []store.Data{data(`"a"`, text(most+1)), data(`"a"`, text(most-6), `"b"`, `12`)} {
		n := store.New{ID: "u", IP: "::1", TTL: 60, MaxSessions: 1, Data: d}
		if _, err := s.store.Create(s.ctx, "app", token, n); !errors.Is(err, store.ErrTooLarge) {
			s.Fatalf("Create: %v, want ErrTooLarge", err)
		}
		s.gone("app", token)
		s.wantIDs(s.ofID("app", "u"))
	}
	whole := s.create("app", store.New{ID: "u", Data: data(`"a"`, text(most), `"b"`, `null`)})
	if got := s.get("app", whole); len(got.D) != store.DefaultMaxData {
		s.Errorf("%d bytes of data, want %d", len(got.D), store.DefaultMaxData)
	}
}

package nearest

import "testing"

func TestOf(t *testing.T) {
	known := []string{"limit", "cursor", "except", "max_sessions"}
	for name, want := range map[string]string{"exept": "except", "max_session": "max_sessions", "limits": "limit", "": "limit"} {
		if got := Of(name, known); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
	if got := Of("x", nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}

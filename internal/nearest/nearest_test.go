package nearest

import "testing"

func TestOf(t *testing.T) {
	known := []string{"limit", "cursor", "except", "max_sessions", "with", "ip", "RS_PORT", "RS_HOST"}
	for name, want := range map[string]string{
		"exept": "except", "max_session": "max_sessions", "limits": "limit", "cursro": "cursor",
		"wiht": "with", "IP": "ip", "RS_POTR": "RS_PORT", "rs_port": "RS_PORT",
		// Not near.
		"": "", "nope": "", "wthi": "", "ipx": "ip", "px": "", "RS_FOO": "", "cccccc": "",
	} {
		if got := Of(name, known); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
	if got := Of("x", nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}

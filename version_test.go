package main

import (
	"runtime/debug"
	"testing"
)

// TestCommit takes the commit from what was given, or from the stamp.
func TestCommit(t *testing.T) {
	stamp := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}}
	clean := &debug.BuildInfo{Settings: stamp.Settings[:1]}
	for _, c := range []struct {
		given string
		info  *debug.BuildInfo
		want  string
	}{{"", nil, ""}, {"", &debug.BuildInfo{}, ""}, {"", stamp, "0123456789ab+"}, {"", clean, "0123456789ab"}, {"v3-7-gabc", stamp, "v3-7-gabc"}} {
		if got := commitOf(c.given, c.info); got != c.want {
			t.Errorf("%q and %v: %q, not %q", c.given, c.info, got, c.want)
		}
	}
}

package main

import (
	"runtime/debug"
	"strings"
)

// version is the server's; the original's last is 2.0.1.
const version = "3.0.0"

// commit is what was built, if -ldflags "-X main.commit=..." says so; else Go's own
// stamp counts, which a build from a clone has.
var commit string

// versionText is the version, with the commit where that is known.
func versionText() string {
	info, _ := debug.ReadBuildInfo()
	if c := commitOf(commit, info); c != "" {
		return version + " (commit " + c + ")"
	}
	return version
}

// commitOf returns the given commit, or else the first 12 digits of Go's stamp, with +
// behind them if files were changed since; "" if nothing tells.
func commitOf(given string, info *debug.BuildInfo) string {
	const shown = 12
	if given = strings.TrimSpace(given); given != "" || info == nil {
		return given
	}
	var revision, changed string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(shown, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+"
			}
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changed
}

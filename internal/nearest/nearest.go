// Package nearest finds what a misspelt name was meant to be.
package nearest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Of returns the one of known that takes the fewest edits from name, the first of
// several, or "" if none is near: if more than a third of the longer of both is changed.
func Of(name string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		d := edits(strings.ToLower(name), strings.ToLower(k))
		if d <= max(len(name), len(k))/3 && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// edits counts what is changed between two names. Neighbours that are swapped are one.
func edits(a, b string) int {
	d := levenshtein.ComputeDistance(a, b)
	if d != 2 || len(a) != len(b) {
		return d
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	if i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
		return 1
	}
	return d
}

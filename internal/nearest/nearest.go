// Package nearest finds what a misspelt name was meant to be.
package nearest

import "github.com/agnivade/levenshtein"

// Of returns the one of known that takes the fewest edits from name, the first of
// several, or "" if known is empty.
func Of(name string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); best == "" || d < least {
			best, least = k, d
		}
	}
	return best
}

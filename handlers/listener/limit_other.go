//go:build !unix

package listener

import "math"

// MaxFiles is without a bound where the system has none.
func MaxFiles() int { return math.MaxInt }

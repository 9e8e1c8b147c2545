package near

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestWhy has reasons that are no words for who reads a log.
func TestWhy(t *testing.T) {
	for want, err := range map[string]error{
		"Redis does not answer in time": fmt.Errorf("subscribe: %w", context.DeadlineExceeded),
		"refused":                       errors.New("refused"),
	} {
		if got := why(err); got != want {
			t.Errorf("%v is %q, not %q", err, got, want)
		}
	}
}

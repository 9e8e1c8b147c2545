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

// TestListenAfterTheEnd has a bucket wanted just when the feed of its node has ended.
func TestListenAfterTheEnd(t *testing.T) {
	ended := &feed{} // as close leaves it
	if err := ended.listen(context.Background(), "c"); !errors.Is(err, errElsewhere) {
		t.Errorf("it listens: %v", err)
	}
}

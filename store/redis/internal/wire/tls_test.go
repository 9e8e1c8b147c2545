package wire

import (
	"os"
	"testing"

	"rest-sessions/internal/testcert"
)

// TestHalfWrittenCertificate reads a pair while it is being replaced.
func TestHalfWrittenCertificate(t *testing.T) {
	authority := testcert.New(t)
	pair := &certificate{}
	pair.cert, pair.key = authority.Issue("client", "client")
	first, err := pair.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pair.cert, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := pair.get(nil); err != nil || got != first {
		t.Errorf("without a whole pair: %v %v, not the last good one", got, err)
	}
}

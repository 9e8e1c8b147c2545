//go:build !race

package pseudonym

import "testing"

func TestAppendDoesNotAllocate(t *testing.T) {
	m, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	space, value := make([]byte, 0, 256), []byte("alice")
	if n := testing.AllocsPerRun(100, func() { m.Append(space, value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
